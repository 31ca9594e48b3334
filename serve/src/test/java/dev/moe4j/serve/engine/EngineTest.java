package dev.moe4j.serve.engine;

import static dev.moe4j.serve.TinyModel.next;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.serve.TinyModel;
import dev.moe4j.serve.http.TextEvent;
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
import org.junit.jupiter.api.Timeout;

@Timeout(120)
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

    private Engine.Submission order(int number, int tokens) {
        return order(number, tokens, Sampling.DEFAULT);
    }

    /** A request that does not end early: the most likely token of this model is never the end of text. */
    private Engine.Submission endless(int number) {
        return order(number, Integer.MAX_VALUE, new Sampling(0, 0, 1));
    }

    private Engine.Submission order(int number, int tokens, Sampling sampling) {
        return new Engine.Submission(
                TinyModel.request("text " + number, tokens, sampling, number), TextEvent.into(events, number));
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
            GenerationResult alone = new Generator(model, TinyModel.BYTES, Sampling.DEFAULT, end.text())
                    .generate("text " + end.text(), 20, _ -> {});
            assertThat(end.generated()).isEqualTo(alone);
            made += alone.tokens();
        }
        assertThat(meters.get("moe4j.generated.tokens").counter().count()).isEqualTo(made);
        assertThat(meters.get("moe4j.prompt.tokens").counter().count()).isEqualTo(6 * 7);
        // The router chooses two experts for every token read: prompt tokens and generated tokens, except the last
        // token
        // of a text that reached its length.
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
        List<Engine.Submission> three =
                IntStream.range(0, 3).mapToObj(i -> order(i, 1)).toList();
        assertThatThrownBy(() -> engine.submit(three))
                .isInstanceOf(Engine.BusyException.class)
                .hasMessageContaining("6 sequences are already waiting, of at most 8");
        assertThat(engine.load().waiting()).as("all or none are accepted").isEqualTo(6);
        List<Engine.Submission> nine =
                IntStream.range(0, 9).mapToObj(i -> order(i, 1)).toList();
        assertThatThrownBy(() -> engine.submit(nine))
                .isInstanceOf(ServeException.class)
                .hasMessageContaining("the request has 9 sequences, but at most 8 may wait");
    }

    @Test
    void whatIsNotWholeInTimeIsCutOff() throws InterruptedException {
        engine.submit(IntStream.range(0, 5).mapToObj(i -> endless(i)).toList());
        Thread running = start();
        TextEvent first = next(events);
        assertThat(first).isInstanceOf(TextEvent.Piece.class);
        engine.stop(Duration.ZERO);
        join(running);

        assertThat(events.stream().filter(TextEvent.Failed.class::isInstance)).hasSize(5);
        assertThat(events.stream().filter(TextEvent.End.class::isInstance)).isEmpty();
        assertThatThrownBy(() -> engine.submit(List.of(order(9, 1))))
                .isInstanceOf(Engine.BusyException.class)
                .hasMessage("the server is stopping");
    }

    @Test
    void aCancelledTextMakesRoom() throws InterruptedException {
        List<Engine.Job> jobs =
                engine.submit(IntStream.range(0, 3).mapToObj(i -> endless(i)).toList());
        Thread running = start();
        engine.submit(List.of(order(3, 2)));
        jobs.forEach(Engine.Job::cancel);
        int ended = -1;
        while (ended < 0) {
            ended = next(events) instanceof TextEvent.End end ? end.text() : -1;
        }
        assertThat(ended).isEqualTo(3);
        engine.stop(LONG);
        join(running);
        assertThat(events.stream().filter(event -> !(event instanceof TextEvent.Piece)))
                .isEmpty();
    }

    @Test
    void aCancelledTextWaitsNoMore() {
        List<Engine.Job> jobs =
                engine.submit(IntStream.range(0, 8).mapToObj(i -> order(i, 1)).toList());
        jobs.subList(2, 8).forEach(Engine.Job::cancel);
        assertThat(engine.load().waiting()).isEqualTo(2);
        assertThat(engine.submit(
                        IntStream.range(8, 14).mapToObj(i -> order(i, 1)).toList()))
                .hasSize(6);
    }

    /** The waiting listener is told. */
    @Test
    void anEngineWithoutMemoryForItsPlacesFailsWhatWaits() {
        engine = new Engine(model, TinyModel.BYTES, new Engine.Limits(Integer.MAX_VALUE, 8), new SimpleMeterRegistry());
        engine.submit(List.of(order(0, 1)));
        assertThatThrownBy(engine::run).isInstanceOf(OutOfMemoryError.class);
        assertThat(events).hasSize(1).first().isInstanceOf(TextEvent.Failed.class);
        assertThatThrownBy(() -> engine.submit(List.of(order(1, 1)))).isInstanceOf(Engine.BusyException.class);
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
