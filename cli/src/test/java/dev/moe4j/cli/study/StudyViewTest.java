package dev.moe4j.cli.study;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.study.Study;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class StudyViewTest {

    private static final Study.Progress PROGRESS = new Study.Progress(
            3,
            10,
            List.of(
                    new Study.Running("dense 64", 0.25, "loss 5.000, 1,000 tokens/s", Duration.ofSeconds(90)),
                    new Study.Running("zero-shot of dense 48", Double.NaN, "starting", null)),
            Duration.ofSeconds(125));

    @Test
    void eachRunningStepAndTheStudyHaveALine() {
        assertThat(StudyView.lines(PROGRESS))
                .containsExactly(
                        "  dense 64: 25 %, loss 5.000, 1,000 tokens/s, 1:30 left",
                        "  zero-shot of dense 48: starting", "study 3/10 steps, about 2:05 left");
    }

    @Test
    void aTerminalIsRedrawnInPlaceWithoutWrapping() {
        StringWriter err = new StringWriter();
        AtomicLong clock = new AtomicLong();
        StudyView view = new StudyView(new PrintWriter(err), true, 20, clock::get);
        clock.addAndGet(Duration.ofSeconds(1).toNanos());
        view.update(PROGRESS);
        view.note("finished: x");

        assertThat(err.toString()).contains("\u001b[3A\u001b[Jstudy: finished: x\n");
        assertThat(err.toString().replaceAll("\u001b\\[\\d*[AJ]", "").lines()).allMatch(line -> line.length() < 20);
    }

    @Test
    void withoutATerminalLinesArePrintedPeriodically() {
        StringWriter err = new StringWriter();
        AtomicLong clock = new AtomicLong();
        StudyView view = new StudyView(new PrintWriter(err), false, 80, clock::get);
        for (int second = 0; second < 61; second++) {
            view.update(PROGRESS);
            clock.addAndGet(Duration.ofSeconds(1).toNanos());
        }

        assertThat(err.toString().lines().filter(line -> line.startsWith("study 3/10")))
                .hasSize(2);
        assertThat(err.toString()).doesNotContain("\u001b");
    }
}
