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
 * The rows of one MoE layer's experts on one device, in a training pass of a micro-batch whose tokens are spread evenly
 * over the experts. All numbers are 0 without experts.
 *
 * <p>A device with all experts computes the choices that have a place, and rounds each expert's number up. Under expert
 * parallelism, choices travel to other devices; with a capacity, every place travels, filled or not, because {@code
 * ExpertExchange} then needs no counts. A GPU that {@linkplain DeviceAssignment makes the assignment itself} allocates
 * enough rows for every load.
 *
 * @param choices tokens times k
 * @param sent rows sent to experts, including the device's own; the same number is received
 * @param held rows of the tensors of the device's experts
 * @param computed rows in the products of the device's experts
 */
public record DeviceRows(double choices, double sent, double held, double computed) {

    /** The rows that rounding adds per expert, on average. */
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

    /**
     * The most rows an expert can receive from all groups of the given sequences, as in {@code
     * RouteSection.Setting.places}.
     */
    private static long places(ModelConfig model, RoutingConfig routing, int sequences) {
        long groups = routing.group() == 0 ? 1 : Math.ceilDiv(sequences, routing.group());
        long grouped = routing.group() == 0 ? Math.max(sequences, routing.paddedSequences()) : routing.group();
        long capacity = new Routing.Capacity(routing).capacity(grouped * model.context(), model.experts(), true);
        return Math.min(capacity, (long) sequences * model.context() / groups) * groups;
    }
}
