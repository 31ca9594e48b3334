package dev.moe4j.model.expertparallel;

import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Runs the experts of an expert parallel layer with the all-to-all overlapped with computation. The result equals
 * dispatch ({@link ExchangeSection}), {@link ExpertsSection} and combine in sequence. Each expert's rows are split in
 * two halves: one half travels while the experts compute the other, forward and backward, as in FasterMoE (He et al.
 * 2022) and Tutel (Hwang et al. 2023). Input and output: rows for all experts [sent, model].
 *
 * @param recompute whether backward runs the experts forward again, from the received rows; exchanges are never
 *     repeated
 */
public record OverlappedExpertsSection(String name, List<Part> parts, boolean recompute)
        implements Section.CustomBackward {

    /**
     * One half of the rows.
     *
     * @param sentOf_H the half's rows, as indices into all rows
     */
    public record Part(ExpertExchange exchange, Tensor sentOf_H, ExpertsSection experts) {}

    @Override
    public List<Parameter> parameters() {
        return parts.getFirst().experts().parameters();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor sent_SD = inputs[0];
        List<ExpertExchange.InFlight> arriving = new ArrayList<>();
        for (Part part : parts) {
            arriving.add(part.exchange().dispatch(sent_SD.indexSelect(0, part.sentOf_H())));
        }
        List<ExpertExchange.InFlight> returning = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            Tensor rows_RD = arriving.get(i).await();
            ExpertsSection experts = parts.get(i).experts();
            Tensor results_RD = experts.forward(recompute ? saved.nothing(rows_RD) : saved.inner(rows_RD), rows_RD)[0];
            if (recompute) {
                saved.save(rows_RD);
            }
            returning.add(parts.get(i).exchange().combine(results_RD));
        }
        return new Tensor[] {joined(returning, sent_SD)};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient_SD = gradients[0];
        if (gradient_SD == null) {
            return new @Nullable Tensor[1];
        }
        List<ExpertExchange.InFlight> arriving = new ArrayList<>();
        for (Part part : parts) {
            arriving.add(part.exchange().combineBackward(gradient_SD.indexSelect(0, part.sentOf_H())));
        }
        List<ExpertExchange.InFlight> returning = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            ExpertsSection experts = parts.get(i).experts();
            if (recompute) {
                Tensor rows_RD = saved.get(i);
                experts.forward(saved.inner(rows_RD), rows_RD);
            }
            Tensor rowGradient_RD = Objects.requireNonNull(
                    experts.backward(saved.inner(i), arriving.get(i).await())[0]);
            returning.add(parts.get(i).exchange().dispatchBackward(rowGradient_RD));
        }
        return new @Nullable Tensor[] {joined(returning, gradient_SD)};
    }

    /** Joins the halves' rows in the original order. */
    private Tensor joined(List<ExpertExchange.InFlight> halves, Tensor like_SD) {
        Tensor all_SD = like_SD.emptyLike();
        for (int i = 0; i < parts.size(); i++) {
            all_SD.indexCopyInPlace(0, parts.get(i).sentOf_H(), halves.get(i).await());
        }
        return all_SD;
    }
}
