package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.FinishReason;
import dev.moe4j.serve.engine.GenerationResult;
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
 * Serves one {@code POST /v1/completions} request on the request's thread. It submits the texts to the engine and collects
 * or streams them. Closing it cancels the texts that are not complete.
 */
final class CompletionTask implements AutoCloseable {
    /** The interval between checks for a disconnected client while no text arrives. */
    private static final long POLL_MILLIS = 100;

    private final CompletionRequest request;
    private final CompletionResponse response;
    private final BooleanSupplier left;
    private final BlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
    private final List<Engine.Job> jobs;
    private final long start = System.nanoTime();
    private int unfinished;
    private long made;

    /** The client closed its connection before the response was complete. */
    static final class ClientLeftException extends RuntimeException {
        ClientLeftException() {
            super("the client left");
        }

        ClientLeftException(Exception cause) {
            super("the client left", cause);
        }
    }

    /**
     * Submits a request's texts to the engine.
     *
     * @param left whether the client has closed its connection
     * @throws Engine.BusyException if the engine cannot accept the request now
     */
    CompletionTask(CompletionRequest request, Engine engine, String model, Tokenizer tokenizer, BooleanSupplier left) {
        this.request = request;
        this.response = new CompletionResponse(model, tokenizer);
        this.left = left;
        this.unfinished = request.texts().size();
        this.jobs = engine.submit(IntStream.range(0, unfinished)
                .mapToObj(text -> new Engine.Submission(request.texts().get(text), TextEvent.into(events, text)))
                .toList());
    }

    /**
     * Waits for all texts and returns the complete response.
     *
     * @throws ApiException if a text failed
     * @throws ClientLeftException if the client closes its connection
     */
    ObjectNode whole() throws InterruptedException {
        int texts = request.texts().size();
        StringBuilder[] written = new StringBuilder[texts];
        List<List<ScoredToken>> tokens = new ArrayList<>();
        FinishReason[] finishes = new FinishReason[texts];
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
                case TextEvent.End(int text, GenerationResult generated) -> finishes[text] = ended(generated);
                case TextEvent.Failed(int _, Throwable problem) -> throw ApiException.of(problem);
            }
        }
        return response.of(
                IntStream.range(0, texts)
                        .mapToObj(text -> new CompletionResponse.Choice(
                                text, written[text].toString(), scored(tokens.get(text)), finishes[text]))
                        .toList(),
                usage());
    }

    /**
     * Passes on the response in chunks as they arrive.
     *
     * @throws ApiException if a text failed
     * @throws ClientLeftException if the client closes its connection
     */
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
                case TextEvent.End(int text, GenerationResult generated) ->
                    out.accept(piece(text, "", List.of(), ended(generated)));
                case TextEvent.Failed(int _, Throwable problem) -> throw ApiException.of(problem);
            }
        }
        if (request.usage()) {
            out.accept(response.of(List.of(), usage()));
        }
    }

    private TextEvent next() throws InterruptedException {
        TextEvent event;
        do {
            if (left.getAsBoolean()) {
                throw new ClientLeftException();
            }
            event = events.poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
        } while (event == null);
        return event;
    }

    private ObjectNode piece(int text, String piece, List<ScoredToken> scored, @Nullable FinishReason finish) {
        ObjectNode whole = response.piece(List.of(new CompletionResponse.Choice(text, piece, scored(scored), finish)));
        return request.usage() ? whole.putNull("usage") : whole;
    }

    private boolean scoring() {
        return request.texts().getFirst().alternatives() != null;
    }

    private @Nullable List<ScoredToken> scored(List<ScoredToken> tokens) {
        return scoring() ? tokens : null;
    }

    /** Makes offsets relative to the returned text, which starts with the prompt if the request has {@code echo}. */
    private List<ScoredToken> shifted(int text, List<ScoredToken> tokens) {
        int shift = request.echo() ? request.promptOf(text).characters() : 0;
        return tokens.stream().map(token -> token.shifted(shift)).toList();
    }

    private FinishReason ended(GenerationResult generated) {
        unfinished--;
        made += generated.tokens();
        return generated.finish();
    }

    /** Summarizes the request for the log. */
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

    private CompletionResponse.Usage usage() {
        return new CompletionResponse.Usage(request.promptTokens(), made);
    }

    @Override
    public void close() {
        jobs.forEach(Engine.Job::cancel);
    }
}
