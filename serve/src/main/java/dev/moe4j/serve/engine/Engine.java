package dev.moe4j.serve.engine;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.text.tokenizer.Tokenizer;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes many texts at a time with one model: one thread runs it, {@link #run}, and any others hand it requests. Texts share
 * each pass over the model's weights (continuous batching, Yu et al. 2022, "Orca"): one joins as soon as there is a place,
 * between two tokens of the others, and leaves when it ends.
 *
 * <p>What a text becomes does not depend on the others, but that products of several rows may round otherwise than those of
 * one do.
 */
public final class Engine {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
    /** How old {@link #expertLoad} may be while texts are made: asking for it waits for the device. */
    private static final long LOAD_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Limits limits;
    private final MeterRegistry meters;
    private final Counter promptTokens;
    private final Counter generatedTokens;
    private final Timer firstPiece;
    private final Timer steps;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Queue<Continuation> waiting = new ArrayDeque<>();
    private volatile int active;
    private volatile double[][] expertLoad = {};
    private long loadTold;
    /** When the engine ends whatever is left, by {@link System#nanoTime}; null while it is not asked to end. */
    private volatile @Nullable Long deadline;

    private boolean ended;

    /**
     * How much an engine takes on.
     *
     * @param places texts that are made at a time; memory for the model's whole context is taken for each
     * @param waiting texts that wait for a place, at most
     */
    public record Limits(int places, int waiting) {
        public Limits {
            if (places < 1 || waiting < 1) {
                throw new ServeException("an engine of " + places + " places with " + waiting
                        + " texts waiting makes nothing; give at least 1 of each");
            }
        }
    }

    /**
     * What an engine does at this moment.
     *
     * @param places texts that it can make at a time
     */
    public record Load(int active, int waiting, int places) {}

    /** A text that was asked for. */
    public interface Job {
        /**
         * Cancels a text that has not ended yet: its listener hears {@link TextListener#cancelled} after the token that is
         * being made, and nothing after it.
         */
        void cancel();
    }

    /** There is no room for more texts now; a later try may find some. */
    public static final class BusyException extends RuntimeException {
        BusyException(String message) {
            super(message);
        }
    }

    /**
     * An engine that does nothing until it is run.
     *
     * @param meters where it counts tokens and texts, and times them ({@code moe4j.*})
     * @throws ServeException if the tokenizer has more tokens than the model
     */
    public Engine(LanguageModel model, Tokenizer tokenizer, Limits limits, MeterRegistry meters) {
        Generator.checkVocabulary(model, tokenizer);
        this.model = model;
        this.tokenizer = tokenizer;
        this.limits = limits;
        this.meters = meters;
        this.promptTokens = Counter.builder("moe4j.prompt.tokens")
                .description("Tokens read before texts began")
                .register(meters);
        this.generatedTokens = Counter.builder("moe4j.generated.tokens")
                .description("Tokens of texts")
                .register(meters);
        this.firstPiece = timer("moe4j.first.piece", "From a request to the first piece of its text");
        this.steps = timer("moe4j.step", "Making one token of each text, with the reading of prompts");
        Gauge.builder("moe4j.texts.active", this, engine -> engine.load().active())
                .description("Texts that are being made")
                .register(meters);
        Gauge.builder("moe4j.texts.waiting", this, engine -> engine.load().waiting())
                .description("Texts that wait for a place")
                .register(meters);
        Gauge.builder("moe4j.texts.places", limits, Limits::places)
                .description("Texts that can be made at a time")
                .register(meters);
    }

    private Timer timer(String name, String description) {
        return Timer.builder(name)
                .description(description)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(1))
                .maximumExpectedValue(Duration.ofMinutes(2))
                .register(meters);
    }

    /** A text and who hears of it. */
    public record Order(GenerationRequest request, TextListener listener) {}

    /**
     * Asks for texts, all of them or none. Listeners hear from the engine's thread, and should hand on what they hear.
     *
     * @throws BusyException if there is no room for all of them, or the engine is ending
     * @throws ServeException if one cannot be made at all
     */
    public List<Job> submit(List<Order> orders) {
        if (orders.size() > limits.waiting()) {
            throw new ServeException(orders.size() + " texts were asked for at once, and at most " + limits.waiting()
                    + " may wait; ask for fewer");
        }
        List<Continuation> texts = orders.stream()
                .map(order -> new Continuation(order.request(), tokenizer, model.config(), observed(order.listener())))
                .toList();
        lock.lock();
        try {
            if (ended || deadline != null) {
                throw new BusyException("the server is stopping");
            }
            if (waiting.size() + texts.size() > limits.waiting()) {
                throw new BusyException(waiting.size() + " texts are waiting already, of " + limits.waiting()
                        + " that may; try again later");
            }
            waiting.addAll(texts);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return texts.stream().<Job>map(text -> () -> cancel(text)).toList();
    }

    private void cancel(Continuation text) {
        text.cancel();
        boolean waited;
        lock.lock();
        try {
            waited = waiting.remove(text);
        } finally {
            lock.unlock();
        }
        if (waited) {
            text.leave();
        }
    }

    /** How much it takes on. */
    public Limits limits() {
        return limits;
    }

    /** What it does now; may be asked by any thread. */
    public Load load() {
        lock.lock();
        try {
            return new Load(active, waiting.size(), limits.places());
        } finally {
            lock.unlock();
        }
    }

    /**
     * How many choices each expert got so far, {@code [mixtures][experts]}, up to half a second ago; may be asked by any
     * thread.
     */
    public double[][] expertLoad() {
        return Arrays.stream(expertLoad).map(double[]::clone).toArray(double[][]::new);
    }

    /** Makes texts on this thread until {@link #stop} is called; once. */
    public void run() {
        try (Batch batch = new Batch(model, limits.places(), model.config().context())) {
            loadTold = System.nanoTime() - LOAD_NANOS;
            try {
                while (admit(batch)) {
                    try {
                        step(batch);
                        active = batch.size();
                        tellLoad(batch);
                    } catch (RuntimeException | Error e) {
                        // A problem of the pass that all texts share ends them; the engine goes on with the next ones.
                        batch.fail(e);
                    }
                }
            } finally {
                batch.fail(stopped());
            }
        } finally {
            end();
        }
    }

    private void tellLoad(Batch batch) {
        long now = System.nanoTime();
        if (active == 0 || now - loadTold >= LOAD_NANOS) {
            expertLoad = batch.expertLoad();
            loadTold = now;
        }
    }

    private void step(Batch batch) {
        long start = System.nanoTime();
        Batch.Step done = batch.step();
        promptTokens.increment(done.read());
        generatedTokens.increment(done.made());
        if (done.read() + done.made() > 0) { // not all texts were cancelled
            steps.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
        }
    }

    /** Lets one text join, waiting for one where none is made; returns whether there is something left to do. */
    private boolean admit(Batch batch) {
        lock.lock();
        try {
            while (batch.size() == 0 && waiting.isEmpty() && deadline == null) {
                active = 0;
                changed.awaitUninterruptibly();
            }
            Long until = deadline;
            boolean idle = batch.size() == 0 && waiting.isEmpty();
            if (until != null && (idle || System.nanoTime() - until > 0)) {
                return false;
            }
            // One at a time: the others' next token waits for one prompt to be read, not for all of them.
            if (!batch.isFull() && !waiting.isEmpty()) {
                batch.add(waiting.remove());
            }
            active = batch.size();
            return true;
        } finally {
            lock.unlock();
        }
    }

    private static BusyException stopped() {
        return new BusyException("the server stopped before the text was whole");
    }

    private void end() {
        List<Continuation> left;
        lock.lock();
        try {
            ended = true;
            active = 0;
            left = List.copyOf(waiting);
            waiting.clear();
        } finally {
            lock.unlock();
        }
        left.forEach(text -> text.fail(stopped()));
    }

    /**
     * Takes no more requests, and ends when all texts are whole, or after that long; returns at once.
     *
     * @param grace for texts that are asked for already
     */
    public void stop(Duration grace) {
        lock.lock();
        try {
            deadline = System.nanoTime() + grace.toNanos();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private TextListener observed(TextListener listener) {
        long asked = System.nanoTime();
        return new TextListener() {
            private boolean begun;

            @Override
            public void prompt(List<ScoredToken> tokens) {
                listener.prompt(tokens);
            }

            @Override
            public void piece(String text, List<ScoredToken> tokens) {
                if (!begun) {
                    begun = true;
                    firstPiece.record(System.nanoTime() - asked, TimeUnit.NANOSECONDS);
                }
                listener.piece(text, tokens);
            }

            @Override
            public void end(Generated generated) {
                count(generated.finish().name().toLowerCase(Locale.ROOT));
                listener.end(generated);
            }

            @Override
            public void failed(Throwable problem) {
                if (!(problem instanceof ServeException || problem instanceof BusyException)) {
                    LOG.error("a text failed", problem);
                }
                count("failed");
                try {
                    listener.failed(problem);
                } catch (RuntimeException | Error e) {
                    LOG.error("a listener failed", e); // its own text has ended; others go on
                }
            }

            @Override
            public void cancelled() {
                count("cancelled");
                listener.cancelled();
            }

            private void count(String finish) {
                meters.timer("moe4j.texts", "finish", finish).record(System.nanoTime() - asked, TimeUnit.NANOSECONDS);
            }
        };
    }
}
