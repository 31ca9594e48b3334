package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.GenerationResult;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.serve.engine.TextListener;
import java.util.List;
import java.util.concurrent.BlockingQueue;

/** An event of one of a request's texts, passed from the engine's thread to the request's thread. */
public sealed interface TextEvent {

    /** The index of the text in its request. */
    int text();

    record Prompt(int text, List<ScoredToken> tokens) implements TextEvent {}

    record Piece(int text, String piece, List<ScoredToken> tokens) implements TextEvent {}

    record End(int text, GenerationResult generated) implements TextEvent {}

    record Failed(int text, Throwable problem) implements TextEvent {}

    /** Returns a listener that adds events to a queue, which must be unbounded. */
    static TextListener into(BlockingQueue<TextEvent> queue, int text) {
        return new TextListener() {
            @Override
            public void prompt(List<ScoredToken> tokens) {
                queue.add(new Prompt(text, tokens));
            }

            @Override
            public void piece(String piece, List<ScoredToken> tokens) {
                queue.add(new Piece(text, piece, tokens));
            }

            @Override
            public void end(GenerationResult generated) {
                queue.add(new End(text, generated));
            }

            @Override
            public void failed(Throwable problem) {
                queue.add(new Failed(text, problem));
            }
        };
    }
}
