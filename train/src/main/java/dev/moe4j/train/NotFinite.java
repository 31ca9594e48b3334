package dev.moe4j.train;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.train.config.TrainException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Finds the section in which a value first is NaN or infinite. All processes pass the same places in the same order, so that
 * the first of all is known from how many each has passed.
 */
final class NotFinite implements Tape.Inspector {

    private static final int NONE = -1;

    private final List<String> places = new ArrayList<>();
    private int found = NONE;

    private NotFinite() {}

    /**
     * Where it began.
     *
     * @param name of the section and the direction, or of the parameter
     * @param rank of the process
     */
    record Place(String name, int rank) {}

    /**
     * Runs a batch forward and backward. All processes come here and find the same.
     *
     * @return the place; empty where every value and every gradient is finite
     */
    static Optional<Place> find(LanguageModel model, TokenBatch batch, PassContext pass) {
        ProcessGroup everyone = model.fabric().everyone();
        Optional<Place> parameter = ofParameters(model, false).first(everyone);
        if (parameter.isPresent()) {
            return parameter;
        }
        NotFinite inspector = new NotFinite();
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                Tape tape = Tape.inspected(inspector)) {
            LossReport report = model.loss(tape, batch, pass);
            Optional<Place> forward = inspector.first(everyone);
            if (forward.isPresent()) {
                return forward;
            }
            model.beginBackward(false);
            tape.backward(report.roots().toArray(Value[]::new));
        }
        Optional<Place> backward = inspector.first(everyone);
        if (backward.isPresent()) {
            return backward;
        }
        model.parameters().finishGradients();
        return ofParameters(model, true).first(everyone);
    }

    /** The first place among those of all processes, where one has found any. */
    private Optional<Place> first(ProcessGroup everyone) {
        double[] own = new double[everyone.members().size()];
        own[everyone.members().index()] = found + 1;
        double[] all = everyone.sum(own, "where a value is no number");
        int first = NONE;
        for (int rank = 0; rank < all.length; rank++) {
            if (all[rank] > 0 && (first == NONE || all[rank] < all[first])) {
                first = rank;
            }
        }
        return first == NONE ? Optional.empty() : Optional.of(new Place(places.get((int) all[first] - 1), first));
    }

    /** Refuses a model that was read with a parameter that is no number. */
    static void refuse(LanguageModel model, Path checkpoint) {
        NotFinite parameters = ofParameters(model, false);
        if (parameters.found != NONE) {
            throw new TrainException(checkpoint + ": " + parameters.places.get(parameters.found)
                    + " is NaN or infinite; resume from an older checkpoint");
        }
    }

    private static NotFinite ofParameters(LanguageModel model, boolean gradients) {
        NotFinite inspector = new NotFinite();
        String of = gradients ? "the gradient of " : "";
        for (ParameterGroup unit : model.parameters().units()) {
            try (Scope _ = Scope.open()) {
                if (unit.share().states()) {
                    inspector.inspect(
                            of + "the parameters of " + unit.name(), gradients ? unit.gradient() : unit.master());
                    continue;
                }
                for (Parameter parameter : unit.parameters()) {
                    inspector.inspect(
                            of + "the parameter " + parameter.name(),
                            gradients ? parameter.gradient() : parameter.tensor());
                }
            }
        }
        return inspector;
    }

    @Override
    public void forward(String section, Tensor output) {
        inspect(section + " (forward)", output);
    }

    @Override
    public void backward(String section, Tensor gradient) {
        inspect(section + " (backward)", gradient);
    }

    private void inspect(String place, Tensor tensor) {
        if (found == NONE && !tensor.allFinite()) {
            found = places.size();
        }
        places.add(place);
    }
}
