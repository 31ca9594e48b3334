package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.Output;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench serve}: throughput and latency of the server. */
@Command(
        name = "serve",
        description = {
            "Measure a server with several concurrent clients over the loopback. Each client streams one text after another "
                    + "from random prompts.",
            "The model is untrained. The clients run on the same processors."
        })
final class BenchServeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--preset",
            converter = OptionNames.Preset.class,
            required = true,
            paramLabel = "NAME",
            description = "cpu-dense, cpu-moe8, cpu-moe32, cpu-moe128 or another preset.")
    private String preset;

    @Mixin
    private PrecisionOption precision;

    @Option(
            names = "--clients",
            split = ",",
            paramLabel = "N",
            description = "Numbers of concurrent clients, measured one after another (default: 1,2,4,8,16).")
    private List<Integer> clients = List.of(1, 2, 4, 8, 16);

    @Option(names = "--prompt", paramLabel = "N", description = "Tokens of each prompt (default: 32).")
    private int prompt = 32;

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens of each text (default: 64).")
    private int tokens = 64;

    @Option(names = "--texts", paramLabel = "N", description = "Texts of each client (default: 4).")
    private int texts = 4;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchServeCommand() {}

    /** The output of {@code --json}. */
    record Report(String preset, String dtype, int threads, int promptTokens, List<Load> loads) {}

    /**
     * Measurements for one number of concurrent clients.
     *
     * @param texts number of texts that all clients received
     * @param tokens number of tokens of those texts
     * @param tokensPerSecond decode rate over all clients
     * @param firstPieceSeconds time from a request to the first piece of its text, median over texts
     * @param slowestFirstPieceSeconds the longest of these times
     * @param pieceSeconds mean time between two pieces of a text, median over texts
     */
    record Load(
            int clients,
            int texts,
            long tokens,
            double tokensPerSecond,
            double firstPieceSeconds,
            double slowestFirstPieceSeconds,
            double pieceSeconds) {}

    @Override
    public Integer call() {
        if (clients.isEmpty() || clients.stream().anyMatch(n -> n < 1)) {
            throw output.wrongUsage("--clients must be numbers of at least 1");
        }
        if (prompt < 1 || tokens < 2 || texts < 1) {
            throw output.wrongUsage("--prompt and --texts must be at least 1, --tokens at least 2");
        }
        Report report =
                new BenchServeRun(preset, precision.name, device, clients, prompt, tokens, texts).run(output.err());
        output.print(report, out -> BenchServeRun.print(report, out));
        return 0;
    }
}
