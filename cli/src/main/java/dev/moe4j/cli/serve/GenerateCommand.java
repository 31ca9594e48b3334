package dev.moe4j.cli.serve;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j generate}: continues a text with a checkpoint's model. */
@Command(
        name = "generate",
        description = {
            "Continue a text with a checkpoint's model.",
            "Prints new tokens as they are generated. When the context is full, generation continues from "
                    + "the later half of it."
        })
public final class GenerateCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to continue (default: read from stdin).")
    private @Nullable String prompt;

    @Option(names = "--tokens", paramLabel = "N", description = "Maximum number of tokens to generate (default: 128).")
    private int tokens = 128;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "Sampling temperature: below 1 sharpens the distribution, 0 takes the most likely token "
                    + "(default: 1).")
    private double temperature = 1;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            description = "Sample from the K most likely tokens only (default: 0, all).")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description =
                    "Sample from the smallest set of most likely tokens whose probabilities sum to P (default: 1, "
                            + "all).")
    private double topP = 1;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Seed of the sampling: the same seed gives the same text (default: random).")
    private @Nullable Long seed;

    GenerateCommand() {}

    /**
     * The result that {@code --json} prints.
     *
     * @param text the generated text, without the prompt
     * @param tokens the number of generated tokens
     * @param finish {@code end_of_text} or {@code length}
     */
    record Report(
            Path checkpoint,
            String prompt,
            String text,
            int promptTokens,
            int tokens,
            String finish,
            long seed,
            double seconds,
            double tokensPerSecond) {}

    @Override
    public Integer call() {
        long drawn = seed == null ? new SecureRandom().nextInt(Integer.MAX_VALUE) : seed;
        Report report = new GenerateRun(model, tokens, temperature, topK, topP, drawn).run(prompt, output);
        output.print(report, out -> out.println());
        return 0;
    }
}
