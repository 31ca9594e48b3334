package dev.moe4j.bench.command;

import dev.moe4j.bench.command.BenchServeCommand.Load;
import dev.moe4j.bench.command.BenchServeCommand.Report;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.http.ModelServer;
import dev.moe4j.serve.http.ServedModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.RunConfig;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Runs {@link BenchServeCommand}; a separate class, so that {@code --help} loads less. */
record BenchServeRun(
        String preset,
        String precisionName,
        String deviceName,
        List<Integer> clients,
        int prompt,
        int tokens,
        int texts) {
    private static final JsonMapper JSON = new JsonMapper();

    /** A client's measurements of one text. */
    private record Seen(long tokens, double firstSeconds, double pieceSeconds) {}

    Report run(PrintWriter err) {
        RunConfig config = RunConfig.preset(preset);
        Device device = Device.parse(deviceName);
        Precision precision = RunConfig.precision(precisionName, device);
        int context = config.architecture().model().context();
        if (prompt + tokens > context) {
            throw new CliException("--prompt and --tokens are " + (prompt + tokens) + " together, and the context of "
                    + preset + " is " + context);
        }
        Tokenizer tokenizer = tokenizer(config.architecture().model().vocabulary());
        int most = clients.stream().mapToInt(Integer::intValue).max().orElseThrow();
        try (LanguageModel model =
                LanguageModel.initialize(config.architecture().ungrouped(), precision, device, new RandomKey(1))) {
            PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
            Engine engine = new Engine(model, tokenizer, new Engine.Limits(most, most), meters);
            try (ModelServer server = ModelServer.start(
                    ServedModel.of(preset, model, tokenizer),
                    tokenizer,
                    engine,
                    meters,
                    new ModelServer.Options("127.0.0.1", 0, null))) {
                FutureTask<List<Load>> measuring = new FutureTask<>(() -> {
                    try {
                        return loads(server.uri(), tokenizer.vocabularySize(), err);
                    } finally {
                        engine.stop(Duration.ZERO);
                    }
                });
                Thread.ofPlatform().name("clients").start(measuring);
                engine.run();
                return new Report(preset, precision.name(), Libtorch.threads(), prompt, result(measuring));
            }
        }
    }

    /** A tokenizer with the model's vocabulary size, so that sampling has its real cost. */
    private static Tokenizer tokenizer(int vocabulary) {
        int gpt2 = Tokenizer.of("gpt2").vocabularySize();
        return Tokenizer.of(vocabulary < gpt2 ? "gpt2:" + vocabulary : "gpt2");
    }

    private List<Load> loads(URI server, int vocabulary, PrintWriter err) throws IOException, InterruptedException {
        List<Load> loads = new ArrayList<>();
        try (HttpClient client = HttpClient.newHttpClient();
                ProgressLine progress = ProgressLine.start(err, "bench serve " + preset, clients.size())) {
            for (int at : clients) {
                measure(client, server, vocabulary, at, 1); // warms up compiled code and product shapes
                loads.add(measure(client, server, vocabulary, at, texts));
                progress.update(loads.size(), "");
            }
        }
        return loads;
    }

    private Load measure(HttpClient client, URI server, int vocabulary, int at, int each)
            throws IOException, InterruptedException {
        List<Seen> seen = new ArrayList<>();
        long start = System.nanoTime();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<Seen>>> all = new ArrayList<>();
            for (int number = 0; number < at; number++) {
                SplittableRandom random = new SplittableRandom(number);
                all.add(threads.submit(() -> {
                    List<Seen> own = new ArrayList<>();
                    for (int text = 0; text < each; text++) {
                        own.add(text(client, server, random, vocabulary));
                    }
                    return own;
                }));
            }
            for (Future<List<Seen>> own : all) {
                seen.addAll(result(own));
            }
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        long made = seen.stream().mapToLong(Seen::tokens).sum();
        return new Load(
                at,
                seen.size(),
                made,
                made / seconds,
                median(seen.stream().mapToDouble(Seen::firstSeconds).toArray()),
                seen.stream().mapToDouble(Seen::firstSeconds).max().orElseThrow(),
                median(seen.stream().mapToDouble(Seen::pieceSeconds).toArray()));
    }

    private Seen text(HttpClient client, URI server, SplittableRandom random, int vocabulary)
            throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode()
                .put("max_tokens", tokens)
                .put("seed", random.nextInt(Integer.MAX_VALUE))
                .put("stream", true);
        body.putObject("stream_options").put("include_usage", true);
        ArrayNode given = body.putArray("prompt");
        // The last tokens are special tokens.
        random.ints(prompt, 0, vocabulary - 1).forEach(given::add);
        HttpRequest request = HttpRequest.newBuilder(server.resolve("/v1/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
                .build();
        long start = System.nanoTime();
        HttpResponse<Stream<String>> response = client.send(request, BodyHandlers.ofLines());
        long first = 0;
        long last = 0;
        int pieces = 0;
        long made = 0;
        try (Stream<String> lines = response.body()) {
            for (Iterator<String> each = lines.iterator(); each.hasNext(); ) {
                String line = each.next();
                if (line.startsWith("data: {")) {
                    JsonNode event = JSON.readTree(line.substring("data: ".length()));
                    made = event.path("usage").path("completion_tokens").asLong(made);
                    if (!event.path("choices").path(0).path("text").asString("").isEmpty()) {
                        last = System.nanoTime();
                        first = pieces++ == 0 ? last : first;
                    }
                } else if (!line.isEmpty() && !line.equals("data: [DONE]")) {
                    throw new CliException("the server answered " + line);
                }
            }
        }
        return new Seen(made, (first - start) / 1e9, pieces < 2 ? 0 : (last - first) / 1e9 / (pieces - 1));
    }

    private static double median(double... values) {
        Arrays.sort(values);
        int half = values.length / 2;
        return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }

    private static <T> T result(Future<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CliException("bench serve was interrupted");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : new IllegalStateException(e.getCause());
        }
    }

    static void print(Report report, PrintWriter out) {
        out.printf(
                "%s in %s, %d threads, prompts of %d tokens%n",
                report.preset(), report.dtype(), report.threads(), report.promptTokens());
        out.printf("%8s %12s %18s %12s %14s%n", "clients", "tokens/s", "first piece, ms", "slowest, ms", "a piece, ms");
        for (Load load : report.loads()) {
            out.printf(
                    "%8d %,12.0f %,18.1f %,12.1f %,14.2f%n",
                    load.clients(),
                    load.tokensPerSecond(),
                    load.firstPieceSeconds() * 1e3,
                    load.slowestFirstPieceSeconds() * 1e3,
                    load.pieceSeconds() * 1e3);
        }
    }
}
