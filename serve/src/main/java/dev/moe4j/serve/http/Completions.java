package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.Finish;
import dev.moe4j.serve.engine.Generated;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Answers {@code POST /v1/completions} by an engine's texts, on the request's own thread. Texts that are not whole when it
 * is closed are given up.
 */
final class Completions implements AutoCloseable {
    /** How often it looks whether the client has left while nothing happens. */
    private static final long LOOK_MILLIS = 100;

    private final CompletionRequest request;
    private final CompletionAnswer answer;
    private final BooleanSupplier left;
    private final BlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
    private final List<Engine.Job> jobs;
    private final long start = System.nanoTime();
    private int unfinished;
    private long made;

    /** The client left before its answer was complete. */
    static final class ClientLeftException extends RuntimeException {
        ClientLeftException() {
            super("the client left");
        }

        ClientLeftException(Exception cause) {
            super("the client left", cause);
        }
    }

    /**
     * Asks the engine for a request's texts.
     *
     * @param left whether the client has left
     * @throws Engine.BusyException as {@link Engine#submit} does
     */
    Completions(CompletionRequest request, Engine engine, String model, Tokenizer tokenizer, BooleanSupplier left) {
        this.request = request;
        this.answer = new CompletionAnswer(model, tokenizer);
        this.left = left;
        this.unfinished = request.texts().size();
        this.jobs = engine.submit(IntStream.range(0, unfinished)
                .mapToObj(text -> new Engine.Order(request.texts().get(text), TextEvent.into(events, text)))
                .toList());
    }

    /**
     * The answer once all texts are whole.
     *
     * @throws ApiException if one of them failed, and so does {@link #stream}
     * @throws ClientLeftException if the client leaves before, and so does {@link #stream}
     */
    ObjectNode whole() throws InterruptedException {
        int texts = request.texts().size();
        StringBuilder[] written = new StringBuilder[texts];
        List<List<ScoredToken>> tokens = new ArrayList<>();
        Finish[] finishes = new Finish[texts];
        for (int text = 0; text < texts; text++) {
            written[text] =
                    new StringBuilder(request.echo() ? request.promptOf(text).text() : "");
            tokens.add(new ArrayList<>());
        }
        while (unfinished > 0) {
            switch (next()) {
                case TextEvent.Prompt(int text, List<ScoredToken> scored) ->
                    tokens.get(text).addAll(scored);
                case TextEvent.Piece(int text, String piece, List<ScoredToken> scored) -> {
                    written[text].append(piece);
                    tokens.get(text).addAll(shifted(text, scored));
                }
                case TextEvent.End(int text, Generated generated) -> finishes[text] = ended(generated);
                case TextEvent.Failed(int _, Throwable problem) -> throw ApiException.of(problem);
            }
        }
        return answer.of(
                IntStream.range(0, texts)
                        .mapToObj(text -> new CompletionAnswer.Choice(
                                text, written[text].toString(), scored(tokens.get(text)), finishes[text]))
                        .toList(),
                usage());
    }

    /** Hands on the answer in pieces as they come. */
    void stream(Consumer<ObjectNode> out) throws InterruptedException {
        if (request.echo() && !scoring()) {
            for (int text = 0; text < request.texts().size(); text++) {
                out.accept(piece(text, request.promptOf(text).text(), List.of(), null));
            }
        }
        while (unfinished > 0) {
            switch (next()) {
                case TextEvent.Prompt(int text, List<ScoredToken> scored) ->
                    out.accept(piece(text, request.promptOf(text).text(), scored, null));
                case TextEvent.Piece(int text, String piece, List<ScoredToken> scored) ->
                    out.accept(piece(text, piece, shifted(text, scored), null));
                case TextEvent.End(int text, Generated generated) ->
                    out.accept(piece(text, "", List.of(), ended(generated)));
                case TextEvent.Failed(int _, Throwable problem) -> throw ApiException.of(problem);
            }
        }
        if (request.usage()) {
            out.accept(answer.of(List.of(), usage()));
        }
    }

    private TextEvent next() throws InterruptedException {
        TextEvent event;
        do {
            if (left.getAsBoolean()) {
                throw new ClientLeftException();
            }
            event = events.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        } while (event == null);
        return event;
    }

    private ObjectNode piece(int text, String piece, List<ScoredToken> scored, @Nullable Finish finish) {
        ObjectNode whole = answer.piece(List.of(new CompletionAnswer.Choice(text, piece, scored(scored), finish)));
        return request.usage() ? whole.putNull("usage") : whole;
    }

    private boolean scoring() {
        return request.texts().getFirst().alternatives() != null;
    }

    private @Nullable List<ScoredToken> scored(List<ScoredToken> tokens) {
        return scoring() ? tokens : null;
    }

    /** Offsets count from the beginning of what is answered, the prompt included where it is echoed. */
    private List<ScoredToken> shifted(int text, List<ScoredToken> tokens) {
        int shift = request.echo() ? request.promptOf(text).characters() : 0;
        return tokens.stream().map(token -> token.shifted(shift)).toList();
    }

    private Finish ended(Generated generated) {
        unfinished--;
        made += generated.tokens();
        return generated.finish();
    }

    /** What was made, for a log. */
    @Override
    public String toString() {
        int texts = request.texts().size();
        return "%s of %d tokens after %d of prompts in %.2f s"
                .formatted(
                        texts == 1 ? "1 text" : texts + " texts",
                        made,
                        request.promptTokens(),
                        (System.nanoTime() - start) / 1e9);
    }

    private CompletionAnswer.Usage usage() {
        return new CompletionAnswer.Usage(request.promptTokens(), made);
    }

    @Override
    public void close() {
        jobs.forEach(Engine.Job::cancel);
    }
}
