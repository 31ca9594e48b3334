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
 * Generates texts for many clients with one model and continuous batching (Yu et al. 2022, "Orca"). All sequences share
 * each pass over the model's weights. A waiting sequence joins between two tokens of the others as soon as a place is free,
 * and leaves when it ends.
 *
 * <p>One thread calls {@link #run}. Any thread may submit requests. A text does not depend on the other texts, except that
 * matrix products of several rows may round differently from products of one row.
 */
public final class Engine {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
    /** The update interval of {@link #expertLoad}. Reading it from the model waits for the device. */
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
    private final Queue<DecodingSequence> waiting = new ArrayDeque<>();
    private volatile int active;
    private volatile double[][] expertLoad = {};
    private long loadUpdated;
    /** The {@link System#nanoTime} at which a stopping engine ends the remaining sequences; null before {@link #stop}. */
    private volatile @Nullable Long deadline;

    private boolean ended;

    /**
     * The limits of an engine.
     *
     * @param places the maximum number of active sequences. Each place has a KV cache for the model's full context
     * @param waiting the maximum number of waiting sequences
     */
    public record Limits(int places, int waiting) {
        public Limits {
            if (places < 1 || waiting < 1) {
                throw new ServeException("an engine of " + places + " places and " + waiting
                        + " waiting sequences cannot work; give at least 1 of each");
            }
        }
    }

    /**
     * The current load of an engine.
     *
     * @param active the number of sequences being generated
     * @param waiting the number of sequences that wait for a place
     * @param places the maximum number of active sequences
     */
    public record Load(int active, int waiting, int places) {}

    /** A submitted request. */
    public interface Job {
        /**
         * Cancels the request if it has not ended. After the current step its listener gets
         * {@link TextListener#cancelled} as its last call.
         */
        void cancel();
    }

    /** Thrown if the engine cannot accept more requests now. A later attempt may succeed. */
    public static final class BusyException extends RuntimeException {
        BusyException(String message) {
            super(message);
        }
    }

    /**
     * Creates an engine. It starts to work with {@link #run}.
     *
     * @param meters the registry for the engine's metrics ({@code moe4j.*})
     * @throws ServeException if the tokenizer has more tokens than the model
     */
    public Engine(LanguageModel model, Tokenizer tokenizer, Limits limits, MeterRegistry meters) {
        Generator.checkVocabulary(model, tokenizer);
        this.model = model;
        this.tokenizer = tokenizer;
        this.limits = limits;
        this.meters = meters;
        this.promptTokens = Counter.builder("moe4j.prompt.tokens")
                .description("Tokens read in prefill")
                .register(meters);
        this.generatedTokens = Counter.builder("moe4j.generated.tokens")
                .description("Tokens generated")
                .register(meters);
        this.firstPiece = timer("moe4j.first.piece", "Time from a request to the first piece of its text");
        this.steps = timer("moe4j.step", "Time of a step: prefill of new sequences and one token of each sequence");
        Gauge.builder("moe4j.texts.active", this, engine -> engine.load().active())
                .description("Sequences being generated")
                .register(meters);
        Gauge.builder("moe4j.texts.waiting", this, engine -> engine.load().waiting())
                .description("Sequences that wait for a place")
                .register(meters);
        Gauge.builder("moe4j.texts.places", limits, Limits::places)
                .description("Maximum number of sequences being generated")
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

    /** A request and the listener that receives its text. */
    public record Submission(GenerationRequest request, TextListener listener) {}

    /**
     * Submits requests. Either all of them are accepted or none. Listeners are called on the engine's thread and must not
     * block.
     *
     * @throws BusyException if too many sequences are waiting, or the engine is stopping
     * @throws ServeException if a request can never be served
     */
    public List<Job> submit(List<Submission> submissions) {
        if (submissions.size() > limits.waiting()) {
            throw new ServeException("the request has " + submissions.size() + " sequences, but at most "
                    + limits.waiting() + " may wait; ask for fewer");
        }
        List<DecodingSequence> sequences = submissions.stream()
                .map(submission -> new DecodingSequence(
                        submission.request(), tokenizer, model.config(), observed(submission.listener())))
                .toList();
        lock.lock();
        try {
            if (ended || deadline != null) {
                throw new BusyException("the server is stopping");
            }
            if (waiting.size() + sequences.size() > limits.waiting()) {
                throw new BusyException(waiting.size() + " sequences are already waiting, of at most "
                        + limits.waiting() + "; try again later");
            }
            waiting.addAll(sequences);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return sequences.stream().<Job>map(sequence -> () -> cancel(sequence)).toList();
    }

    private void cancel(DecodingSequence sequence) {
        sequence.cancel();
        boolean waited;
        lock.lock();
        try {
            waited = waiting.remove(sequence);
        } finally {
            lock.unlock();
        }
        if (waited) {
            sequence.reportCancelled();
        }
    }

    public Limits limits() {
        return limits;
    }

    /** Returns the current load. Any thread may call this. */
    public Load load() {
        lock.lock();
        try {
            return new Load(active, waiting.size(), limits.places());
        } finally {
            lock.unlock();
        }
    }

    /**
     * Returns how often the router has chosen each expert, {@code [MoE layers][experts]}. The counts may be half a second
     * old. Any thread may call this.
     */
    public double[][] expertLoad() {
        return Arrays.stream(expertLoad).map(double[]::clone).toArray(double[][]::new);
    }

    /** Serves requests on this thread until {@link #stop} is called. It may be called only once. */
    public void run() {
        try (ContinuousBatch batch =
                new ContinuousBatch(model, limits.places(), model.config().context())) {
            loadUpdated = System.nanoTime() - LOAD_NANOS;
            try {
                while (admit(batch)) {
                    try {
                        step(batch);
                        active = batch.size();
                        updateExpertLoad(batch);
                    } catch (RuntimeException | Error e) {
                        // A failure in the shared pass ends all active sequences. The engine continues with new ones.
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

    private void updateExpertLoad(ContinuousBatch batch) {
        long now = System.nanoTime();
        if (active == 0 || now - loadUpdated >= LOAD_NANOS) {
            expertLoad = batch.expertLoad();
            loadUpdated = now;
        }
    }

    private void step(ContinuousBatch batch) {
        long start = System.nanoTime();
        ContinuousBatch.Step done = batch.step();
        promptTokens.increment(done.prefilled());
        generatedTokens.increment(done.generated());
        if (done.prefilled() + done.generated() > 0) { // false if all sequences were cancelled
            steps.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
        }
    }

    /** Adds one waiting sequence to the batch. Blocks while the engine is idle. Returns false if the engine must end. */
    private boolean admit(ContinuousBatch batch) {
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
            // One sequence per step, so that the active sequences wait for only one prefill.
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
        return new BusyException("the server stopped before the text was complete");
    }

    private void end() {
        List<DecodingSequence> left;
        lock.lock();
        try {
            ended = true;
            active = 0;
            left = List.copyOf(waiting);
            waiting.clear();
        } finally {
            lock.unlock();
        }
        left.forEach(sequence -> sequence.fail(stopped()));
    }

    /**
     * Stops the engine. It rejects new requests and ends when all texts are complete, or when the grace period is over.
     * This method does not wait for the end.
     *
     * @param grace how long submitted requests may still take
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
            public void end(GenerationResult generated) {
                count(generated.finish().name().toLowerCase(Locale.ROOT));
                listener.end(generated);
            }

            @Override
            public void failed(Throwable problem) {
                if (!(problem instanceof ServeException || problem instanceof BusyException)) {
                    LOG.error("a sequence failed", problem);
                }
                count("failed");
                try {
                    listener.failed(problem);
                } catch (RuntimeException | Error e) {
                    LOG.error("a listener failed", e); // other sequences must continue
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
