package dev.moe4j.cli.serve;

import dev.moe4j.cli.serve.ServeCommand.Report;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.process.Interruption;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.http.ModelServer;
import dev.moe4j.serve.http.ServedModel;
import dev.moe4j.tensor.Libtorch;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves a checkpoint's model. Separate from the command, whose class loads with every {@code --help}. */
record ServeRun(
        ModelOptions options,
        String host,
        int port,
        @Nullable String name,
        int places,
        int waiting,
        @Nullable String key,
        int grace) {
    private static final Logger LOG = LoggerFactory.getLogger(ServeRun.class);

    void run(Output output) {
        Engine.Limits limits = output.usage(() -> new Engine.Limits(places, waiting));
        ModelServer.Options listening = output.usage(() -> new ModelServer.Options(host, port, key));
        try (LoadedModel loaded = LoadedModel.readUngrouped(options);
                Interruption interruption = new Interruption()) {
            PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
            Engine engine = new Engine(loaded.model(), loaded.tokenizer(), limits, meters);
            ServedModel served = ServedModel.of(name == null ? folderName() : name, loaded.model(), loaded.tokenizer());
            try (ModelServer server = ModelServer.start(served, loaded.tokenizer(), engine, meters, listening)) {
                interruption.onRequest(() -> engine.stop(Duration.ofSeconds(grace)));
                if (key == null && !new InetSocketAddress(host, 0).getAddress().isLoopbackAddress()) {
                    LOG.warn("anyone who can reach {} can use the model; require a key with --api-key", host);
                }
                Report report = new Report(
                        server.uri(),
                        served.name(),
                        loaded.folder(),
                        places,
                        loaded.model().config().context());
                LOG.info("{} threads per CPU operation", Libtorch.threads());
                output.print(
                        report,
                        out -> out.println("Serving " + served.name() + " at " + server.uri()
                                + " (stop with Ctrl-C; open the address for a demo)"));
                engine.run();
            }
        }
    }

    private String folderName() {
        Path folder = options.checkpoint.toAbsolutePath().normalize().getFileName();
        return folder == null ? "model" : folder.toString();
    }
}
