package dev.moe4j.model.cost;

import dev.moe4j.model.expert.ExpertProducts;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.DeviceAssignment;
import dev.moe4j.model.routing.Routing;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Precision;

/**
 * Rows of one layer's experts on one device, in a training pass of a micro-batch whose tokens are spread evenly over
 * experts. Without experts there are none.
 *
 * <p>A device that has all experts computes the choices that have a place, each expert's rounded up. Where devices share
 * experts, the choices travel; with a capacity every place does, filled or not, since {@code ExpertExchange} then needs to
 * agree on nothing. A GPU that {@linkplain DeviceAssignment makes the assignment itself} has room for every load.
 *
 * @param choices tokens times k
 * @param sent to experts, the device's own included; received as many
 * @param held by tensors of the device's experts
 * @param computed in their products
 */
public record DeviceRows(double choices, double sent, double held, double computed) {

    /** Rows that rounding adds to an expert's, in the mean. */
    private static final double ROUNDING = (AssignedRows.MULTIPLE - 1) / 2.0;

    public static DeviceRows of(Architecture architecture, Precision precision, MemoryEstimate.Load load) {
        ModelConfig model = architecture.model();
        RoutingConfig routing = architecture.routing();
        int experts = model.experts();
        long choices = (long) load.sequences() * model.context() * routing.topK();
        if (experts == 0) {
            return new DeviceRows(choices, 0, 0, 0);
        }
        boolean shared = load.expertParallel() > 1;
        long own = experts / load.expertParallel();
        if (routing.strategy() == RoutingConfig.Strategy.DROPLESS) {
            double computed = choices + own * ROUNDING;
            boolean onDevice = load.cuda()
                    && !shared
                    && ExpertProducts.canGroup(precision.compute(), experts, model.width(), model.expertFfn());
            return new DeviceRows(
                    choices, choices, onDevice ? DeviceAssignment.rows(choices, experts) : computed, computed);
        }
        long places = places(model, routing, load.sequences());
        double computed = shared
                ? (double) own
                        * Math.ceilDiv(places * load.expertParallel(), AssignedRows.MULTIPLE)
                        * AssignedRows.MULTIPLE
                : Math.min(choices, places * experts) + own * ROUNDING;
        return new DeviceRows(choices, places * experts, computed, computed);
    }

    /** What an expert can get from all groups of that many sequences, as {@code RouteSection.Setting.places} has it. */
    private static long places(ModelConfig model, RoutingConfig routing, int sequences) {
        long groups = routing.group() == 0 ? 1 : Math.ceilDiv(sequences, routing.group());
        long grouped = routing.group() == 0 ? Math.max(sequences, routing.paddedSequences()) : routing.group();
        long capacity = new Routing.Capacity(routing).capacity(grouped * model.context(), model.experts(), true);
        return Math.min(capacity, (long) sequences * model.context() / groups) * groups;
    }
}
