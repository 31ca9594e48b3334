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

/** {@code moe4j serve}: serves a checkpoint's model over HTTP. */
@Command(
        name = "serve",
        description = {
            "Serve a checkpoint's model over HTTP: OpenAI-compatible completions, Prometheus metrics and a "
                    + "demo page.",
            "Prints its address and serves until Ctrl-C or SIGTERM. Running completions are finished first."
        })
public final class ServeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(
            names = "--host",
            paramLabel = "HOST",
            description = "The address to listen on; 0.0.0.0 for all interfaces (default: 127.0.0.1).")
    private String host = "127.0.0.1";

    @Option(names = "--port", paramLabel = "N", description = "The port; 0 picks a free one (default: 8080).")
    private int port = 8080;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "The model name for clients (default: the name of --checkpoint's folder).")
    private @Nullable String name;

    @Option(
            names = "--places",
            paramLabel = "N",
            description = "Maximum number of concurrent sequences. Each reserves KV cache memory for a full context "
                    + "(default: 8).")
    private int places = 8;

    @Option(
            names = "--waiting",
            paramLabel = "N",
            description = "Maximum number of queued requests; further ones get status 503 (default: 256).")
    private int waiting = 256;

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            description = "The key that clients must send as 'Authorization: Bearer KEY' (default: $MOE4J_API_KEY, "
                    + "otherwise none).")
    private @Nullable String key;

    @Option(
            names = "--grace",
            paramLabel = "SECONDS",
            description = "Time to finish running completions after Ctrl-C, in seconds (default: 30).")
    private int grace = 30;

    ServeCommand() {}

    /**
     * The result that {@code --json} prints as soon as the server answers requests.
     *
     * @param places the maximum number of concurrent sequences
     * @param context the model's context length, in tokens
     */
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
