package dev.moe4j.cli.serve;

import dev.moe4j.cli.serve.GenerateCommand.Report;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.serve.engine.GenerationResult;
import dev.moe4j.serve.engine.Generator;
import dev.moe4j.serve.engine.Sampling;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Generates text with a checkpoint's model. Separate from the command, whose class loads with every
 * {@code --help}.
 */
record GenerateRun(ModelOptions options, int tokens, double temperature, int topK, double topP, long seed) {

    Report run(@Nullable String given, Output output) {
        Sampling sampling = output.usage(() -> new Sampling(temperature, topK, topP));
        if (tokens < 1) {
            throw output.wrongUsage("--tokens must be at least 1");
        }
        try (LoadedModel loaded = LoadedModel.readUngrouped(options)) {
            String prompt = given == null ? stdin() : given;
            Generator generator = new Generator(loaded.model(), loaded.tokenizer(), sampling, seed);
            long start = System.nanoTime();
            GenerationResult made = generator.generate(prompt, tokens, output::stream);
            double seconds = (System.nanoTime() - start) / 1e9;
            return new Report(
                    loaded.folder(),
                    prompt,
                    made.text(),
                    made.promptTokens(),
                    made.tokens(),
                    made.finish().name().toLowerCase(Locale.ROOT),
                    seed,
                    seconds,
                    made.tokens() / seconds);
        }
    }

    private static String stdin() {
        try {
            return new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
