package dev.moe4j.serve;

import static dev.moe4j.serve.TinyModel.next;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Precision;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EngineTest {
    private static final Duration LONG = Duration.ofMinutes(2);

    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
    private LanguageModel model;
    private Engine engine;

    @BeforeEach
    void make() {
        model = TinyModel.of(64, Precision.FP64);
        engine = new Engine(model, TinyModel.BYTES, new Engine.Limits(3, 8), meters);
    }

    @AfterEach
    void close() {
        model.close();
    }

    private Engine.Order order(int number, int tokens) {
        return new Engine.Order(
                TinyModel.request("text " + number, tokens, Sampling.DEFAULT, number), TextEvent.into(events, number));
    }

    private Thread start() {
        return Thread.ofPlatform().name("engine").start(engine::run);
    }

    private static void join(Thread thread) throws InterruptedException {
        assertThat(thread.join(LONG)).as("the engine ended").isTrue();
    }

    @Test
    void makesWhatIsAskedForAndEnds() throws InterruptedException {
        engine.submit(IntStream.range(0, 5).mapToObj(i -> order(i, 20)).toList());
        assertThat(engine.load()).isEqualTo(new Engine.Load(0, 5, 3));
        Thread running = start();
        engine.submit(List.of(order(5, 20)));
        engine.stop(LONG);
        join(running);

        assertThat(engine.load()).isEqualTo(new Engine.Load(0, 0, 3));
        List<TextEvent.End> ends = events.stream()
                .filter(TextEvent.End.class::isInstance)
                .map(TextEvent.End.class::cast)
                .toList();
        assertThat(ends).hasSize(6);
        int made = 0;
        for (TextEvent.End end : ends) {
            Generated alone = new Generator(model, TinyModel.BYTES, Sampling.DEFAULT, end.text())
                    .generate("text " + end.text(), 20, _ -> {});
            assertThat(end.generated()).isEqualTo(alone);
            made += alone.tokens();
        }
        assertThat(meters.get("moe4j.generated.tokens").counter().count()).isEqualTo(made);
        assertThat(meters.get("moe4j.prompt.tokens").counter().count()).isEqualTo(6 * 7);
        // Two choices of every token that was read: prompts, and all but a text's last one, where it was not ended
        // before.
        double choices = Arrays.stream(engine.expertLoad())
                .flatMapToDouble(Arrays::stream)
                .sum();
        assertThat(choices / 2).isBetween(6 * 7 + made - 6.0, 6.0 * 7 + made);
        assertThat(meters.get("moe4j.first.piece").timer().count()).isEqualTo(6);
        assertThat(meters.find("moe4j.texts").timers().stream()
                        .mapToLong(timer -> timer.count())
                        .sum())
                .isEqualTo(6);
    }

    @Test
    void refusesMoreThanMayWait() {
        engine.submit(IntStream.range(0, 6).mapToObj(i -> order(i, 1)).toList());
        List<Engine.Order> three =
                IntStream.range(0, 3).mapToObj(i -> order(i, 1)).toList();
        assertThatThrownBy(() -> engine.submit(three))
                .isInstanceOf(Engine.BusyException.class)
                .hasMessageContaining("6 texts are waiting already, of 8");
        assertThat(engine.load().waiting()).as("all of them or none").isEqualTo(6);
        List<Engine.Order> nine =
                IntStream.range(0, 9).mapToObj(i -> order(i, 1)).toList();
        assertThatThrownBy(() -> engine.submit(nine))
                .isInstanceOf(ServeException.class)
                .hasMessageContaining("9 texts were asked for at once, and at most 8 may wait");
    }

    @Test
    void whatIsNotWholeInTimeIsCutOff() throws InterruptedException {
        engine.submit(
                IntStream.range(0, 5).mapToObj(i -> order(i, 1_000_000_000)).toList());
        Thread running = start();
        TextEvent first = next(events);
        assertThat(first).isInstanceOf(TextEvent.Piece.class);
        engine.stop(Duration.ZERO);
        join(running);

        // A text may also have ended by itself.
        long failed = events.stream().filter(TextEvent.Failed.class::isInstance).count();
        long ended = events.stream().filter(TextEvent.End.class::isInstance).count();
        assertThat(failed + ended).isEqualTo(5);
        assertThat(failed).isPositive();
        assertThatThrownBy(() -> engine.submit(List.of(order(9, 1))))
                .isInstanceOf(Engine.BusyException.class)
                .hasMessage("the server is stopping");
    }

    @Test
    void aCancelledTextMakesRoom() throws InterruptedException {
        List<Engine.Job> jobs = engine.submit(
                IntStream.range(0, 3).mapToObj(i -> order(i, 1_000_000_000)).toList());
        Thread running = start();
        engine.submit(List.of(order(3, 2)));
        jobs.forEach(Engine.Job::cancel);
        boolean ended = false;
        while (!ended) {
            ended = next(events) instanceof TextEvent.End end && end.text() == 3;
        }
        engine.stop(LONG);
        join(running);
        assertThat(events.stream().filter(TextEvent.Failed.class::isInstance)).isEmpty();
    }

    @Test
    void anIdleEngineStops() throws InterruptedException {
        Thread running = start();
        engine.stop(LONG);
        join(running);
        assertThat(engine.load().active()).isZero();
    }

    @Test
    void refusesLimitsThatMakeNothing() {
        assertThatThrownBy(() -> new Engine.Limits(0, 1)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> new Engine.Limits(1, 0)).isInstanceOf(ServeException.class);
    }
}
