package dev.moe4j.console.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressLineTest {
    private final StringWriter err = new StringWriter();
    private final AtomicLong nanos = new AtomicLong();

    @Test
    void plainLinesArePrintedPeriodically() {
        try (ProgressLine progress = start(100, false)) {
            for (int step = 1; step <= 100; step++) {
                nanos.addAndGet(Duration.ofMillis(400).toNanos());
                progress.update(step, "loss " + 1.0 / step);
            }
        }

        assertThat(err.toString().lines())
                .containsExactly(
                        "train 25/100 (25 %), loss 0.04, 0:30 left",
                        "train 50/100 (50 %), loss 0.02, 0:20 left",
                        "train 75/100 (75 %), loss 0.013333333333333334, 0:10 left",
                        "train 100/100 (100 %), loss 0.01");
    }

    @Test
    void aShortTaskPrintsItsEnd() {
        try (ProgressLine progress = start(7200, false)) {
            progress.update(1, "");
            nanos.addAndGet(Duration.ofSeconds(2).toNanos());
            progress.update(2, "");
        }

        assertThat(err.toString().lines()).containsExactly("train 2/7200 (0 %), 3:59:56 left");
    }

    /** A resumed run starts with step 9001. */
    @Test
    void theTimeLeftDependsOnThisProcessOnly() {
        try (ProgressLine progress = start(10_000, false)) {
            for (int step = 9001; step <= 9011; step++) {
                nanos.addAndGet(Duration.ofSeconds(1).toNanos());
                progress.update(step, "");
            }
        }

        assertThat(err.toString().lines().findFirst()).contains("train 9010/10000 (90 %), 16:30 left");
    }

    @Test
    void aBarStaysWithinTheTerminal() {
        try (ProgressLine progress = start(10, true)) {
            progress.update(10, "loss 3.2");
        }

        String[] states = err.toString().strip().split("\r");
        assertThat(states[states.length - 1]).contains("train", "100%", "loss 3.2");
        assertThat(states).allSatisfy(state -> assertThat(state.length()).isLessThan(80));
    }

    private ProgressLine start(long total, boolean terminal) {
        return ProgressLine.start(new PrintWriter(err, true), "train", total, terminal, 80, nanos::get);
    }
}
