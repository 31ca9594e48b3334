package dev.moe4j.finetune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ChoiceLossSectionTest {

    private static ScoringInput input(int candidates) {
        List<int[]> sequences = List.of(new int[] {1, 2});
        return new ScoringInput(sequences, List.of(new ScoringInput.ScoreTerm(0, 1, 2, 0, 1)), candidates, Set.of(0));
    }

    private static double loss(boolean answers, double[] scores, ScoringInput... inputs) {
        try (Scope _ = Scope.open()) {
            List<ScoringBatch> batches = ScoringBatch.cut(List.of(inputs), 1000, 8);
            assertThat(batches).hasSize(1);
            Tensor scores_IC = Tensor.of(scores).view(inputs.length, -1);
            return new ChoiceLossSection(batches.getFirst(), answers, 1).forward(scores_IC)[0].item();
        }
    }

    @Test
    void aQuestionWithOneCandidateHasNoLoss() {
        assertThat(loss(false, new double[] {-3}, input(1))).isZero();
        assertThat(loss(false, new double[] {-3, 9, 1, 1}, input(1), input(2)))
                .as("batched with a question of two candidates")
                .isCloseTo(Math.log(2), within(1e-6));
    }

    @Test
    void theLossOfAnAnswerIsItsNegativeScore() {
        assertThat(loss(true, new double[] {-3}, input(1))).isEqualTo(3);
    }

    @Test
    void noInputsGiveNoBatches() {
        assertThat(ScoringBatch.cut(List.of(), 1000, 8)).isEmpty();
    }
}
