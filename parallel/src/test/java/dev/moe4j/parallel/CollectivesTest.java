package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Collectives among real processes; {@link RankMain} has the expected values. */
class CollectivesTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void everyCollectiveGivesItsValues(int world) throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, world, 30, "collectives")) {
            for (int rank = 0; rank < world; rank++) {
                int code = ranks.exitCode(rank);
                assertThat(ranks.output(rank)).as(ranks.errors(rank)).isEqualTo("done\n");
                assertThat(code).isZero();
            }
        }
    }
}
