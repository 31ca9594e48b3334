package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.train.LayoutLawTest.Division;
import dev.moe4j.train.LayoutLawTest.Subject;
import dev.moe4j.train.config.TrainException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A value is NaN or infinite on one of two ranks. Both ranks name the same origin. */
class NonFiniteFinderTest {

    private static final int STEPS = 2;

    /** Changes a parameter on one rank before the first step and returns the failure. */
    private static String end(DistributedRun processes, String parameter, int rank, double value) {
        Throwable end = catchThrowable(() -> LayoutLawTest.run(
                new Subject(false, false, 4),
                Division.PLAIN,
                Precision.FP32,
                ParallelContext.of(processes, 2, Sharding.NONE),
                ExpertGradients.EXACT,
                STEPS,
                model -> {
                    if (processes.rank() == rank) {
                        spoil(model, parameter, value);
                    }
                },
                _ -> {}));
        assertThat(end).isInstanceOf(TrainException.class);
        return String.valueOf(end.getMessage());
    }

    private static void spoil(LanguageModel model, String parameter, double value) {
        try (Scope _ = Scope.open()) {
            model.parameters().get(parameter).master().fill(value);
        }
        model.parameters().refresh();
    }

    /**
     * The parameter is finite, but the experts' output overflows. The second rank has the second half of 16 sequences.
     */
    @Test
    void everyRankNamesTheSectionAndTheRank() {
        List<String> ends =
                RanksInThreads.run(2, processes -> end(processes, "model.layers.1.moe.experts.fc1.weight", 1, 3e38));
        assertThat(ends)
                .hasSize(2)
                .allSatisfy(end -> assertThat(end)
                        .startsWith("step 1: the loss is NaN")
                        .contains("first in layers.1.experts (forward) of rank 1, at sequences 8 to 15;"));
    }

    @Test
    void everyRankNamesTheParameterAndTheRank() {
        List<String> ends = RanksInThreads.run(
                2, processes -> end(processes, "model.layers.3.moe.experts.fc2.bias", 0, Double.NaN));
        assertThat(ends)
                .hasSize(2)
                .allSatisfy(end -> assertThat(end)
                        .startsWith("step 1: the loss is NaN")
                        .contains("first in the parameter model.layers.3.moe.experts.fc2.bias of rank 0,"
                                + " at sequences 0 to 7;"));
    }
}
