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
 * Finds the first section whose output or gradient is NaN or infinite. All processes inspect the same places in the
 * same order. The place with the lowest index over all processes is therefore the first one.
 */
final class NonFiniteFinder implements Tape.Inspector {

    private static final int NONE = -1;

    private final List<String> places = new ArrayList<>();
    private int firstBad = NONE;

    private NonFiniteFinder() {}

    /**
     * The first non-finite value.
     *
     * @param name the section and direction, or the parameter
     * @param rank the process that computed it
     */
    record Place(String name, int rank) {}

    /**
     * Runs a batch forward and backward and inspects every value. All processes must call this together and get the
     * same result.
     *
     * @return the first place with a non-finite value; empty if all values and gradients are finite
     */
    static Optional<Place> find(LanguageModel model, TokenBatch batch, PassContext pass) {
        ProcessGroup everyone = model.parallelContext().everyone();
        Optional<Place> parameter = ofParameters(model, false).first(everyone);
        if (parameter.isPresent()) {
            return parameter;
        }
        NonFiniteFinder inspector = new NonFiniteFinder();
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

    /** The first non-finite place over all processes; empty if there is none. */
    private Optional<Place> first(ProcessGroup everyone) {
        double[] own = new double[everyone.members().size()];
        own[everyone.members().index()] = firstBad + 1;
        double[] all = everyone.sum(own, "first non-finite value");
        int first = NONE;
        for (int rank = 0; rank < all.length; rank++) {
            if (all[rank] > 0 && (first == NONE || all[rank] < all[first])) {
                first = rank;
            }
        }
        return first == NONE ? Optional.empty() : Optional.of(new Place(places.get((int) all[first] - 1), first));
    }

    /**
     * Refuses a model whose parameters are not finite.
     *
     * @param checkpoint the folder that the model was read from, for the message
     * @throws TrainException if a parameter is NaN or infinite
     */
    static void refuse(LanguageModel model, Path checkpoint) {
        NonFiniteFinder parameters = ofParameters(model, false);
        if (parameters.firstBad != NONE) {
            throw new TrainException(checkpoint + ": " + parameters.places.get(parameters.firstBad)
                    + " is NaN or infinite; resume from an older checkpoint");
        }
    }

    private static NonFiniteFinder ofParameters(LanguageModel model, boolean gradients) {
        NonFiniteFinder inspector = new NonFiniteFinder();
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
        if (firstBad == NONE && !tensor.allFinite()) {
            firstBad = places.size();
        }
        places.add(place);
    }
}
