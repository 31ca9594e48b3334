package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Failures of real processes. Every surviving rank must exit without help and name the rank at fault. */
class FailureTest {

    /** A timeout that the test does not reach. */
    private static final int LONG = 30;
    /** A timeout that the test reaches. The rendezvous must also finish within it. */
    private static final int SHORT = 6;

    @TempDir
    private Path folder;

    @Test
    void aKilledRank() throws InterruptedException {
        try (Ranks ranks = atWork(LONG)) {
            ranks.process(1).destroyForcibly();
            assertBlamed(ranks, 0, "rank 1 has died: see its log");
            assertBlamed(ranks, 2, "rank 1 has died: see its log");
        }
    }

    @Test
    void aKilledRank0() throws InterruptedException {
        try (Ranks ranks = atWork(LONG)) {
            ranks.process(0).destroyForcibly();
            assertBlamed(ranks, 1, "rank 0 has died: see its log");
            assertBlamed(ranks, 2, "rank 0 has died: see its log");
        }
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aStoppedRank() throws InterruptedException, IOException {
        try (Ranks ranks = atWork(SHORT)) {
            new ProcessBuilder("kill", "-STOP", String.valueOf(ranks.process(1).pid()))
                    .start()
                    .waitFor();
            assertBlamed(
                    ranks, 0, "rank 1 does not answer: its process is stopped, or the network to its machine is cut");
            assertBlamed(
                    ranks, 2, "rank 1 does not answer: its process is stopped, or the network to its machine is cut");
            assertThat(ranks.process(1).isAlive()).as("still stopped").isTrue();
        }
    }

    @Test
    void aRankThatThrows() throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, LONG, "throw")) {
            assertBlamed(ranks, 0, "rank 1 failed: the disk is full");
            assertThat(ranks.exitCode(1)).isEqualTo(1);
            assertThat(ranks.output(1)).isEqualTo("failed: the disk is full\n");
        }
    }

    /** Launchers and schedulers may kill rank 0 soon after another rank has exited. */
    @Test
    void aRankThatThrowsEndsAfterRank0HasWritten() throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, LONG, "late-write")) {
            assertThat(ranks.exitCode(1)).isEqualTo(1);
            assertThat(folder.resolve("written")).exists();
            assertThat(ranks.output(1)).isEqualTo("failed: the disk is full\n");
            assertBlamed(ranks, 0, "rank 1 failed: the disk is full");
        }
    }

    @Test
    void aRankThatEndsEarly() throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, LONG, "early-end")) {
            assertBlamed(ranks, 0, "rank 1 has died: see its log");
        }
    }

    /** The slow rank gets the report at its next collective. */
    @Test
    void aSlowRank() throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, SHORT, "slow")) {
            assertBlamed(ranks, 0, "rank 1 is slow: at work for");
            assertThat(ranks.output(0)).contains("since layer 3 dispatch; see its log, or raise the timeout");
            assertBlamed(ranks, 1, "rank 1 is slow: at work for");
            assertThat(ranks.output(1)).contains("(found by rank 0 in 'layer 3 dispatch' of group world)");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "other-code|runs different code than rank 0 (version v2, not v1)",
                "other-configuration|has a different configuration than rank 0 (digest c2, not c1)"
            })
    void aRankThatDiffers(String scenario, String difference) throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, LONG, scenario)) {
            for (int rank = 0; rank < 2; rank++) {
                assertThat(ranks.exitCode(rank)).isEqualTo(1);
                assertThat(ranks.output(rank))
                        .startsWith(
                                "failed: rank 1 (process " + ranks.process(1).pid())
                        .contains(difference);
            }
        }
    }

    /** Different sizes would abort the JVM in libtorch, so they must be detected before. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "other-width|rows of 32 bytes, but rank 0 has rows of 16 bytes",
                "other-label|is in another collective than 'layer 3 dispatch' of rank 0"
            })
    void exchangesThatDoNotFit(String scenario, String difference) throws InterruptedException {
        try (Ranks ranks = Ranks.start(folder, 2, LONG, scenario)) {
            for (int rank = 0; rank < 2; rank++) {
                assertThat(ranks.exitCode(rank)).as(ranks.errors(rank)).isEqualTo(1);
                assertThat(ranks.output(rank)).startsWith("failed: rank " + rank + " gave up 'layer ");
            }
            assertThat(ranks.output(0) + ranks.output(1)).contains("rank 1").contains(difference);
        }
    }

    private Ranks atWork(int timeoutSeconds) throws InterruptedException {
        Ranks ranks = Ranks.start(folder, 3, timeoutSeconds, "steps");
        for (int rank = 0; rank < 3; rank++) {
            ranks.awaitOutput(rank, "at work");
        }
        return ranks;
    }

    private static void assertBlamed(Ranks ranks, int rank, String reason) throws InterruptedException {
        int code = ranks.exitCode(rank);
        assertThat(ranks.output(rank))
                .as(ranks.errors(rank))
                .contains("failed: rank " + rank + " gave up 'layer 3 dispatch' of group world after ")
                .contains(" s): " + reason);
        assertThat(code).isEqualTo(1);
    }
}
