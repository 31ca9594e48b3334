package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Collectives between real processes. {@link CollectivesCheck} has the expected values. */
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

    /** Half of 2 × 1024 rows of 1024 elements goes to the other rank: 4 MiB as fp32, 2 MiB as bf16. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aNarrowerTypeHalvesTheBytesOfWiderRowsOnly() throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, 30, "wire")) {
            for (int rank = 0; rank < 2; rank++) {
                assertThat(ranks.exitCode(rank)).as(ranks.errors(rank)).isZero();
                String[] lines = ranks.output(rank).split("\n", -1);
                long[] mebibytes = {4, 2, 8, 2, 2, 8};
                for (int i = 0; i < mebibytes.length; i++) {
                    // The row counts add a few hundred bytes.
                    long bytes = Long.parseLong(lines[i].substring(lines[i].lastIndexOf(' ') + 1));
                    assertThat(bytes).as(lines[i]).isBetween(mebibytes[i] << 20, (mebibytes[i] << 20) + 4096);
                }
            }
        }
    }
}
