package dev.moe4j.serve;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.serve.engine.GenerationRequest;
import dev.moe4j.serve.engine.Prompt;
import dev.moe4j.serve.engine.Sampling;
import dev.moe4j.serve.http.TextEvent;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** Creates a small byte-level model with four experts. */
public final class TinyModel {
    public static final Tokenizer BYTES = Tokenizer.of("bytes");

    private TinyModel() {}

    /** Creates a model with a context of this many tokens. */
    public static LanguageModel of(int context, Precision precision) {
        return of(context, precision, 264, -1);
    }

    /** Creates a model with a padding token, or without one for −1. */
    public static LanguageModel of(int context, Precision precision, int vocabulary, int padding) {
        Architecture architecture = new Architecture(
                new ModelConfig(2, 32, 4, 64, vocabulary, context, Activation.GELU, 0.1, 0, padding, 4, 2, 32, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        return LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(5));
    }

    /** Returns a request without stop texts and log-probabilities. */
    public static GenerationRequest request(String prompt, int tokens, Sampling sampling, long seed) {
        return new GenerationRequest(prompt(prompt), tokens, sampling, seed, List.of(), null, false);
    }

    public static Prompt prompt(String text) {
        return Prompt.of(text, BYTES, Integer.MAX_VALUE);
    }

    /** Returns the next event of a text. */
    public static TextEvent next(BlockingQueue<TextEvent> events) throws InterruptedException {
        TextEvent event = events.poll(60, TimeUnit.SECONDS);
        if (event == null) {
            throw new AssertionError("nothing happened to the text for a minute");
        }
        return event;
    }
}
