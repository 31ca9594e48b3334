package dev.moe4j.model.expertparallel;

import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What {@link ExchangeSection}, {@link ExpertsSection} and {@link ExchangeSection} back give one after the other, in two
 * halves of each expert's rows: one half travels while the experts compute the other, forward and backward, as FasterMoE
 * (He et al. 2022) and Tutel (Hwang et al. 2023) do. Input and output: rows for all experts [sent, model].
 *
 * @param again whether backward runs the experts forward once more, from the rows that arrived; exchanges never run twice
 */
public record OverlappedExpertsSection(String name, List<Part> parts, boolean again) implements Section.Written {

    /**
     * A half of the rows.
     *
     * @param sentOf_H those rows among all
     */
    public record Part(ExpertExchange exchange, Tensor sentOf_H, ExpertsSection experts) {}

    @Override
    public List<Parameter> parameters() {
        return parts.getFirst().experts().parameters();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor sent_SD = inputs[0];
        List<ExpertExchange.Travelling> coming = new ArrayList<>();
        for (Part part : parts) {
            coming.add(part.exchange().dispatch(sent_SD.indexSelect(0, part.sentOf_H())));
        }
        List<ExpertExchange.Travelling> returning = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            Tensor rows_RD = coming.get(i).await();
            ExpertsSection experts = parts.get(i).experts();
            Tensor results_RD = experts.forward(again ? saved.nothing(rows_RD) : saved.inner(rows_RD), rows_RD)[0];
            if (again) {
                saved.save(rows_RD);
            }
            returning.add(parts.get(i).exchange().combine(results_RD));
        }
        return new Tensor[] {joined(returning, sent_SD)};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_SD = gradients[0];
        if (gradient_SD == null) {
            return new @Nullable Tensor[1];
        }
        List<ExpertExchange.Travelling> coming = new ArrayList<>();
        for (Part part : parts) {
            coming.add(part.exchange().combineBackward(gradient_SD.indexSelect(0, part.sentOf_H())));
        }
        List<ExpertExchange.Travelling> returning = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            ExpertsSection experts = parts.get(i).experts();
            if (again) {
                Tensor rows_RD = saved.get(i);
                experts.forward(saved.inner(rows_RD), rows_RD);
            }
            Tensor rowGradient_RD = Objects.requireNonNull(
                    experts.backward(saved.inner(i), coming.get(i).await())[0]);
            returning.add(parts.get(i).exchange().dispatchBackward(rowGradient_RD));
        }
        return new @Nullable Tensor[] {joined(returning, gradient_SD)};
    }

    /** The halves' rows in the order of all. */
    private Tensor joined(List<ExpertExchange.Travelling> halves, Tensor like_SD) {
        Tensor all_SD = like_SD.emptyLike();
        for (int i = 0; i < parts.size(); i++) {
            all_SD.indexCopyInPlace(0, parts.get(i).sentOf_H(), halves.get(i).await());
        }
        return all_SD;
    }
}
