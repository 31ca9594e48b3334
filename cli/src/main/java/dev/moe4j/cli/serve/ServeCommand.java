package dev.moe4j.cli.serve;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.Output;
import java.net.URI;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j serve}: an HTTP server for a checkpoint. */
@Command(
        name = "serve",
        description = {
            "Serve a checkpoint's model by HTTP: OpenAI's completions, metrics for Prometheus, a page to try it on.",
            "Prints where it listens, and serves until Ctrl-C or SIGTERM; texts that are being made are finished first."
        })
public final class ServeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(
            names = "--host",
            paramLabel = "HOST",
            description = "The address to listen on; 0.0.0.0 for all of this machine (default: 127.0.0.1).")
    private String host = "127.0.0.1";

    @Option(names = "--port", paramLabel = "N", description = "The port; 0 for a free one (default: 8080).")
    private int port = 8080;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "What clients call the model (default: the name of --checkpoint's folder).")
    private @Nullable String name;

    @Option(
            names = "--places",
            paramLabel = "N",
            description = "Texts made at a time; memory for a whole context is taken for each (default: 8).")
    private int places = 8;

    @Option(
            names = "--waiting",
            paramLabel = "N",
            description = "Texts that may wait for a place; more are refused with status 503 (default: 256).")
    private int waiting = 256;

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            description = "What clients must send as 'Authorization: Bearer KEY' (default: $MOE4J_API_KEY, else none).")
    private @Nullable String key;

    @Option(
            names = "--grace",
            paramLabel = "SECONDS",
            description = "How long texts may take to be finished after Ctrl-C (default: 30).")
    private int grace = 30;

    ServeCommand() {}

    /** What {@code --json} prints, as soon as requests are answered. */
    record Report(URI url, String name, Path checkpoint, int places, int context) {}

    @Override
    public Integer call() {
        if (grace < 0) {
            throw output.wrongUsage("--grace must be 0 or more");
        }
        String wanted = key != null ? key : System.getenv("MOE4J_API_KEY");
        new ServeRun(model, host, port, name, places, waiting, wanted, grace).run(output);
        return 0;
    }
}
