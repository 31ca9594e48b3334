package dev.moe4j.finetune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ChoiceLossSectionTest {

    private static Sheet sheet(int candidates) {
        List<int[]> texts = List.of(new int[] {1, 2});
        return new Sheet(texts, List.of(new Sheet.Mark(0, 1, 2, 0, 1)), candidates, Set.of(0));
    }

    private static double loss(boolean answers, double[] scores, Sheet... sheets) {
        try (Scope _ = Scope.open()) {
            List<SheetBatch> batches = SheetBatch.cut(List.of(sheets), 1000, 8);
            assertThat(batches).hasSize(1);
            Tensor scores_EC = Tensor.of(scores).view(sheets.length, -1);
            return new ChoiceLossSection(batches.getFirst(), answers, 1).forward(scores_EC)[0].item();
        }
    }

    @Test
    void aQuestionWithOneCandidateHasNothingToLearn() {
        assertThat(loss(false, new double[] {-3}, sheet(1))).isZero();
        assertThat(loss(false, new double[] {-3, 9, 1, 1}, sheet(1), sheet(2)))
                .as("beside one that has two")
                .isCloseTo(Math.log(2), within(1e-6));
    }

    @Test
    void anAnswerIsLearntForItself() {
        assertThat(loss(true, new double[] {-3}, sheet(1))).isEqualTo(3);
    }

    @Test
    void noSheetsAreNoBatches() {
        assertThat(SheetBatch.cut(List.of(), 1000, 8)).isEmpty();
    }
}
