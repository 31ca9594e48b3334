package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Generated;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.serve.engine.TextListener;
import java.util.List;
import java.util.concurrent.BlockingQueue;

/** What happens to one of a request's texts, on its way from the engine's thread to the request's. */
public sealed interface TextEvent {

    /** The number of the text in its request. */
    int text();

    record Prompt(int text, List<ScoredToken> tokens) implements TextEvent {}

    record Piece(int text, String piece, List<ScoredToken> tokens) implements TextEvent {}

    record End(int text, Generated generated) implements TextEvent {}

    record Failed(int text, Throwable problem) implements TextEvent {}

    /** A listener that puts what it hears into a queue, which must have room for all. */
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
            public void end(Generated generated) {
                queue.add(new End(text, generated));
            }

            @Override
            public void failed(Throwable problem) {
                queue.add(new Failed(text, problem));
            }
        };
    }
}
