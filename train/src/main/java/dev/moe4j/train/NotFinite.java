package dev.moe4j.train;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.Pass;
import dev.moe4j.model.TokenBatch;
import dev.moe4j.parallel.Group;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.Unit;
import dev.moe4j.tensor.Value;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Finds the section in which a value first is NaN or infinite. */
final class NotFinite implements Tape.Inspector {

    private @Nullable String found;

    private NotFinite() {}

    /**
     * Runs a batch forward and backward.
     *
     * @return the place; empty where every value and every gradient is finite
     */
    static Optional<String> find(LanguageModel model, TokenBatch batch, Pass pass) {
        Group everyone = model.fabric().everyone();
        Optional<String> parameter = agreed(everyone, parameter(model, false));
        if (parameter.isPresent()) {
            return parameter;
        }
        NotFinite inspector = new NotFinite();
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                Tape tape = Tape.inspected(inspector)) {
            LossReport report = model.loss(tape, batch, pass);
            Optional<String> forward = agreed(everyone, Optional.ofNullable(inspector.found));
            if (forward.isPresent()) {
                return forward;
            }
            model.beginBackward(false);
            tape.backward(report.roots().toArray(Value[]::new));
        }
        Optional<String> backward = agreed(everyone, Optional.ofNullable(inspector.found));
        if (backward.isPresent()) {
            return backward;
        }
        model.parameters().finishGradients();
        return agreed(everyone, parameter(model, true));
    }

    /** What this process found, or that another one did: all go the same way. */
    private static Optional<String> agreed(Group everyone, Optional<String> found) {
        boolean any = everyone.any(found.isPresent(), "whether a value is no number");
        return any ? found.or(() -> Optional.of("another process, whose log names the place")) : Optional.empty();
    }

    /** Refuses a model that was read with a parameter that is no number. */
    static void refuse(LanguageModel model, Path checkpoint) {
        parameter(model, false).ifPresent(place -> {
            throw new TrainException(
                    checkpoint + ": " + place + " is NaN or infinite; resume from an older checkpoint");
        });
    }

    private static Optional<String> parameter(LanguageModel model, boolean gradients) {
        try (Scope _ = Scope.open()) {
            String what = gradients ? "the gradient of the parameter " : "the parameter ";
            for (Unit unit : model.parameters().units()) {
                if (unit.share().states()) {
                    if (!(gradients ? unit.gradient() : unit.master()).allFinite()) {
                        return Optional.of((gradients ? "the gradient of " : "the parameters of ") + unit.name());
                    }
                    continue;
                }
                for (Parameter parameter : unit.parameters()) {
                    if (!(gradients ? parameter.gradient() : parameter.tensor()).allFinite()) {
                        return Optional.of(what + parameter.name());
                    }
                }
            }
        }
        return Optional.empty();
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
        if (found == null && !tensor.allFinite()) {
            found = place;
        }
    }
}
