package dev.moe4j.serve.engine;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Continues a text, token by token. The prompt is read in one pass and each token after it in one of its own; where the
 * model's context is full, its later half is read anew and the text goes on behind it.
 */
public final class Generator {

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Sampling sampling;
    private final long seed;

    /**
     * A generator.
     *
     * @param seed the same one gives the same text
     * @throws ServeException if the tokenizer has more tokens than the model
     */
    public Generator(LanguageModel model, Tokenizer tokenizer, Sampling sampling, long seed) {
        checkVocabulary(model, tokenizer);
        this.model = model;
        this.tokenizer = tokenizer;
        this.sampling = sampling;
        this.seed = seed;
    }

    /** Refuses a tokenizer that has more tokens than the model. */
    static void checkVocabulary(LanguageModel model, Tokenizer tokenizer) {
        if (tokenizer.vocabularySize() > model.config().vocabulary()) {
            throw new ServeException("the tokenizer " + tokenizer.spec() + " has " + tokenizer.vocabularySize()
                    + " tokens, and the model " + model.config().vocabulary()
                    + "; use the tokenizer that it was trained with");
        }
    }

    /**
     * Continues a prompt.
     *
     * @param prompt may be empty: the model then begins a text
     * @param tokens the most to make
     * @param out hears each piece of text as soon as its characters are complete
     */
    public Generated generate(String prompt, int tokens, Consumer<String> out) {
        if (tokens < 1) {
            throw new ServeException("cannot make " + tokens + " tokens; give at least 1");
        }
        GenerationRequest request = new GenerationRequest(
                Prompt.of(prompt, tokenizer, Integer.MAX_VALUE), tokens, sampling, seed, List.of(), null, false);
        AtomicReference<@Nullable Generated> made = new AtomicReference<>();
        Continuation text = new Continuation(request, tokenizer, model.config(), new TextListener() {
            @Override
            public void piece(String piece, List<ScoredToken> scored) {
                out.accept(piece);
            }

            @Override
            public void end(Generated generated) {
                made.set(generated);
            }

            @Override
            public void failed(Throwable problem) {
                switch (problem) {
                    case RuntimeException known -> throw known;
                    case Error error -> throw error;
                    default -> throw new IllegalStateException(problem);
                }
            }
        });
        try (Batch batch = new Batch(model, 1, text.room())) {
            batch.add(text);
            Generated whole = null;
            while (whole == null) {
                batch.step();
                whole = made.get();
            }
            return whole;
        }
    }
}
