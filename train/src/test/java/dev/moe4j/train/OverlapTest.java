package dev.moe4j.train;

import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Overlapped all-to-all exchanges, which split the tokens into halves, give the result of one process. */
class OverlapTest {

    private static final int STEPS = 5;

    @ParameterizedTest
    @CsvSource({
        "2, 2, NONE, NONE",
        "2, 2, OPTIMIZER, SELECTIVE",
        "4, 4, GRADIENTS, NONE",
        "4, 2, PARAMETERS, FULL",
    })
    void halvesGiveTheWhole(int world, int expert, Sharding sharding, Recompute recompute) {
        List<LayoutLawTest.Subject> subjects = List.of(
                new LayoutLawTest.Subject(false, false, 4),
                new LayoutLawTest.Subject(false, true, 4),
                new LayoutLawTest.Subject(true, true, 4));
        LayoutLawTest.Division division = new LayoutLawTest.Division(sharding, 2, recompute);
        List<LayoutLawTest.Run> runs = RanksInThreads.run(world, processes -> {
                    ParallelContext fabric =
                            ParallelContext.of(processes, expert, sharding).withOverlap();
                    return subjects.stream()
                            .map(subject -> run(subject, division, fabric))
                            .toList();
                })
                .getFirst();
        LayoutLawTest.Division plain = new LayoutLawTest.Division(Sharding.NONE, 2, Recompute.NONE);
        for (int i = 0; i < subjects.size(); i++) {
            LayoutLawTest.same(
                    subjects.get(i) + " over " + expert + " of " + world,
                    runs.get(i),
                    run(subjects.get(i), plain, ParallelContext.SINGLE));
        }
    }

    private static LayoutLawTest.Run run(
            LayoutLawTest.Subject subject, LayoutLawTest.Division division, ParallelContext fabric) {
        return LayoutLawTest.run(subject, division, Precision.FP32, fabric, ExpertGradients.EXACT, STEPS);
    }
}
