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

/** {@code moe4j generate}: text from a checkpoint. */
@Command(
        name = "generate",
        description = {
            "Continue a text with a checkpoint's model.",
            "Prints what the model adds, as it comes. Where the model's context is full, the text goes on from the "
                    + "later half of it."
        })
public final class GenerateCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to continue (default: read from stdin).")
    private @Nullable String prompt;

    @Option(names = "--tokens", paramLabel = "N", description = "The most tokens to make (default: 128).")
    private int tokens = 128;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "Below 1 sharpens the model's distribution; 0 takes the most likely token (default: 1).")
    private double temperature = 1;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            description = "Draw from the K most likely tokens only (default: 0, all).")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Draw from the most likely tokens that together reach this probability (default: 1, all).")
    private double topP = 1;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "The same seed gives the same text (default: another one each time).")
    private @Nullable Long seed;

    GenerateCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param text without the prompt
     * @param tokens made
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
