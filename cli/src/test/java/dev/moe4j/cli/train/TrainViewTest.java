package dev.moe4j.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.RoutingCounts;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.metrics.TrainingProgress;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class TrainViewTest {
    private final StringWriter err = new StringWriter();
    private final AtomicLong nanos = new AtomicLong();

    private TrainView start(boolean terminal) {
        return TrainView.start(new PrintWriter(err), 1000, terminal, 80, nanos::get);
    }

    private static TrainingProgress progress(long step, double loss) {
        RoutingCounts counts =
                new RoutingCounts(4, new double[1][2], new double[1], new double[1], new double[] {1, 3});
        return new TrainingProgress(
                new StepResult(
                        step,
                        step,
                        loss,
                        1,
                        1e-3,
                        0.5,
                        1,
                        4096,
                        List.of(new LayerRouting(1, 1, 0.6, new double[2], counts)),
                        1),
                1000,
                5000,
                0.5,
                new TreeMap<>());
    }

    private static TrainingProgress evaluated(TrainingProgress step) {
        return new TrainingProgress(
                step.result(),
                step.steps(),
                step.tokensPerSecond(),
                step.utilization(),
                new TreeMap<>(Map.of("wiki", 4.5)));
    }

    /**
     * Returns the screen of a terminal after all output. Supports only moving up to the beginning of a line and
     * clearing below.
     */
    private List<String> screen() {
        List<String> screen = new ArrayList<>();
        for (String part : err.toString().split("\u001b\\[", -1)) {
            String text = part;
            if (part.startsWith("J")) {
                text = part.substring(1);
            } else if (part.matches("\\d+F")) {
                int up = Integer.parseInt(part.substring(0, part.length() - 1));
                assertThat(up).as("lines to go up").isLessThanOrEqualTo(screen.size());
                screen.subList(screen.size() - up, screen.size()).clear();
                continue;
            }
            screen.addAll(text.lines().toList());
        }
        return screen;
    }

    /** A run resumed after step 500: its time left depends on the steps of this process only. */
    @Test
    void isRedrawnInPlace() {
        try (TrainView view = start(true)) {
            view.note("resuming runs/a after step 500 of 1,000");
            for (int step = 501; step <= 600; step++) {
                nanos.addAndGet(Duration.ofSeconds(1).toNanos());
                view.update(step == 550 ? evaluated(progress(step, 5)) : progress(step, 5), 0);
                if (step == 550) {
                    view.note("step 550, layer 1: expert 1 took 1.5 times an even share");
                }
            }
        }

        assertThat(screen())
                .containsExactly(
                        "train: resuming runs/a after step 500 of 1,000",
                        "train: step 550, layer 1: expert 1 took 1.5 times an even share",
                        "train [=========================                  ] 600/1,000 (60 %), 6:40 left",
                        "   5.000 " + "⠉".repeat(50),
                        "         " + "⠀".repeat(50),
                        "   5.000 " + "⠀".repeat(50),
                        "loss 5.0000, rate 1.00e-03, gradient 0.500, 5,000 tokens/s, 50 % of peak",
                        "validation: wiki 4.500",
                        "layer 1   ▃▇ at most 1.5 x even");
    }

    /** Not every fast step is drawn, but the last one is. */
    @Test
    void isRedrawnPeriodically() {
        try (TrainView view = start(true)) {
            for (int step = 1; step <= 100; step++) {
                nanos.addAndGet(Duration.ofMillis(10).toNanos());
                view.update(progress(step, 5), 0);
            }
            assertThat(err.toString().split("train \\[", -1)).hasSize(1 + 4);
        }

        assertThat(screen().getFirst()).contains("100/1,000 (10 %)");
        assertThat(screen()).hasSize(6);
    }

    @Test
    void withoutATerminalLinesArePlain() {
        try (TrainView view = start(false)) {
            view.note("a remark");
            view.update(evaluated(progress(10, 5)), 1 << 30);
        }

        assertThat(err.toString().lines().toList())
                .hasSize(2)
                .startsWith("train: a remark")
                .last()
                .asString()
                .startsWith("train 10/1000 (1 %), loss 5.000, 5,000 tokens/s, 50 % of peak");
    }

    @Test
    void nothingIsDrawnBeforeTheFirstStep() {
        start(true).close();

        assertThat(err.toString()).isEmpty();
    }
}
