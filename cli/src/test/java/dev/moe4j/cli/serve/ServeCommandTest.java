package dev.moe4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.cli.RealProcess;
import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ServeCommandTest {
    @TempDir
    private static Path run;

    @TempDir
    private Path temp;

    @BeforeAll
    static void writeCheckpoint() throws IOException {
        TinyCheckpoint.write(run, 1, 4);
    }

    private static String[] args(String... more) {
        return Stream.concat(Stream.of("serve", "--checkpoint=" + run), Stream.of(more))
                .toArray(String[]::new);
    }

    private static JsonNode complete(HttpClient client, String url) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(
                HttpRequest.newBuilder(URI.create(url + "/v1/completions"))
                        .header("Content-Type", "application/json")
                        .header("Authorization", "Bearer sesame")
                        .POST(HttpRequest.BodyPublishers.ofString(
                                "{\"prompt\": \"Once\", \"max_tokens\": 8, \"seed\": 7, \"temperature\": 0.8}"))
                        .build(),
                BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    /**
     * Runs in a separate process, as in production: the address on stdout, completions equal to those of
     * `generate`, an orderly end.
     */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void servesUntilSigterm() throws IOException, InterruptedException {
        Path err = temp.resolve("err");
        ProcessBuilder builder = RealProcess.builder(args("--port=0", "--name=tiny", "--json"))
                .redirectError(ProcessBuilder.Redirect.to(err.toFile()));
        builder.environment().put("MOE4J_API_KEY", "sesame");
        RealProcess process = new RealProcess(builder.start(), err);
        try (BufferedReader out = process.process().inputReader();
                HttpClient client = HttpClient.newHttpClient()) {
            String line = out.readLine();
            assertThat(line).as(process.said()).isNotNull();
            JsonNode report = JsonMapper.shared().readTree(line);
            String url = report.path("url").asString();
            assertThat(url).matches("http://127\\.0\\.0\\.1:\\d+");
            assertThat(report.path("name").asString()).isEqualTo("tiny");
            assertThat(report.path("context").asInt()).isEqualTo(TinyCheckpoint.CONTEXT);

            JsonNode answer = complete(client, url);
            Run generated = Run.of(
                    "generate",
                    "--checkpoint=" + run,
                    "--prompt=Once",
                    "--tokens=8",
                    "--seed=7",
                    "--temperature=0.8",
                    "--json");
            assertThat(answer.path("choices").path(0).path("text"))
                    .isEqualTo(JsonMapper.shared().readTree(generated.out()).path("text"));
            assertThat(client.send(
                                    HttpRequest.newBuilder(URI.create(url + "/v1/models"))
                                            .build(),
                                    BodyHandlers.ofString())
                            .statusCode())
                    .as("without the key")
                    .isEqualTo(401);

            process.process().toHandle().destroy(); // destroy() keeps the output open, to be read
            assertThat(process.code()).as(process.said()).isEqualTo(128 + 15);
            assertThat(out.readLine()).as("nothing else on stdout").isNull();
            assertThat(process.said()).doesNotContain("Exception", "Helidon", "sesame");
        } finally {
            process.process().destroyForcibly();
        }
    }

    @Test
    void rejectsInvalidSettings() throws IOException {
        assertFails(Run.of(args("--port=70000")), 2, "port 70000 does not exist");
        assertFails(Run.of(args("--grace=-1")), 2, "--grace must be 0 or more");
        assertFails(Run.of(args("--places=0")), 2, "an engine of 0 places");
        assertFails(Run.of(args("--api-key=")), 2, "the API key is empty");
        assertFails(Run.of(args("--name= ")), 1, "requests need the model's name");
        assertFails(Run.of("serve", "--checkpoint=" + temp), 1, temp.toString());
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertFails(
                    Run.of(args("--port=" + taken.getLocalPort())),
                    1,
                    "cannot listen on 127.0.0.1:" + taken.getLocalPort());
        }
    }

    private static void assertFails(Run run, int code, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(code);
        assertThat(run.err()).contains(message).doesNotContain("internal error");
        assertThat(run.out()).isEmpty();
    }
}
