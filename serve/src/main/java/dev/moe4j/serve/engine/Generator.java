package dev.moe4j.serve.engine;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Generates one text at a time for a single caller. Prefill reads the prompt in one pass, and decode then takes one pass
 * per token. See {@link DecodingSequence} for a text that outgrows the model's context.
 */
public final class Generator {

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Sampling sampling;
    private final long seed;

    /**
     * Creates a generator.
     *
     * @param seed the random seed of every text
     * @throws ServeException if the tokenizer has more tokens than the model
     */
    public Generator(LanguageModel model, Tokenizer tokenizer, Sampling sampling, long seed) {
        checkVocabulary(model, tokenizer);
        this.model = model;
        this.tokenizer = tokenizer;
        this.sampling = sampling;
        this.seed = seed;
    }

    /** Throws a {@link ServeException} if the tokenizer has more tokens than the model. */
    static void checkVocabulary(LanguageModel model, Tokenizer tokenizer) {
        if (tokenizer.vocabularySize() > model.config().vocabulary()) {
            throw new ServeException("the tokenizer " + tokenizer.spec() + " has " + tokenizer.vocabularySize()
                    + " tokens, but the model has " + model.config().vocabulary()
                    + "; use the tokenizer that the model was trained with");
        }
    }

    /**
     * Generates a continuation of a prompt.
     *
     * @param prompt the text to continue, possibly empty
     * @param tokens the maximum number of tokens to generate
     * @param out receives each piece of text as soon as its characters are complete
     * @throws ServeException if {@code tokens} is below 1, or the model's logits are NaN
     */
    public GenerationResult generate(String prompt, int tokens, Consumer<String> out) {
        if (tokens < 1) {
            throw new ServeException("cannot generate " + tokens + " tokens; give at least 1");
        }
        GenerationRequest request = new GenerationRequest(
                Prompt.of(prompt, tokenizer, Integer.MAX_VALUE), tokens, sampling, seed, List.of(), null, false);
        AtomicReference<@Nullable GenerationResult> result = new AtomicReference<>();
        DecodingSequence sequence = new DecodingSequence(request, tokenizer, model.config(), new TextListener() {
            @Override
            public void piece(String piece, List<ScoredToken> scored) {
                out.accept(piece);
            }

            @Override
            public void end(GenerationResult generated) {
                result.set(generated);
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
        try (ContinuousBatch batch = new ContinuousBatch(model, 1, sequence.capacity())) {
            batch.add(sequence);
            GenerationResult generated = null;
            while (generated == null) {
                batch.step();
                generated = result.get();
            }
            return generated;
        }
    }
}
