package dev.moe4j.model.block;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A norm of the residual stream [tokens, model]. */
public record NormSection(String name, Norm norm) implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return norm.parameters();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Norm.Normed normed = norm.forwardWithStatistics(inputs[0]);
        saved.save(normed.statistics());
        return new Tensor[] {normed.y_ND()};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[1];
        }
        Tensor[] statistics =
                IntStream.range(0, norm.statistics()).mapToObj(saved::get).toArray(Tensor[]::new);
        return new @Nullable Tensor[] {norm.backward(gradient_TD, saved.input(0), statistics)};
    }
}
