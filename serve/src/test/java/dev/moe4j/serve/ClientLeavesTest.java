package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.serve.RunningServer.Setup;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Texts are cancelled when their client disconnects. */
@Timeout(300)
class ClientLeavesTest {
    private static final int TOKENS = 20_000;
    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(Setup.PLAIN.context(TOKENS + 100));
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static JsonNode status() throws Exception {
        return RunningServer.JSON.readTree(
                server.send(server.to("/status").build()).body());
    }

    private static double cancelled() throws Exception {
        return server.metrics()
                .lines()
                .filter(line -> line.startsWith("moe4j_texts_seconds_count{finish=\"cancelled\"}"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf('}') + 1)))
                .sum();
    }

    /** Two texts are active and two wait. The most likely tokens of this model do not end a text. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aClientThatLeavesCancelsItsTexts(boolean stream) throws Exception {
        double before = cancelled();
        String body = "{\"prompt\": \"a\", \"n\": 4, \"max_tokens\": %d, \"temperature\": 0, \"stream\": %s}"
                .formatted(TOKENS, stream);
        try (Socket client = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            write(
                    client,
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            + "Content-Length: " + body.length() + "\r\n\r\n" + body);
            while (status().path("active").asInt() < 2) {
                Thread.sleep(20);
            }
        }
        while (status().path("active").asInt() + status().path("waiting").asInt() > 0) {
            Thread.sleep(20);
        }
        assertThat(cancelled() - before).isEqualTo(4);
    }

    /** Watching a connection must not consume bytes, because the client may send its next request early. */
    @Test
    void theNextRequestMayComeBeforeTheAnswer() throws Exception {
        String body = "{\"prompt\": \"a\", \"max_tokens\": 300, \"temperature\": 0}";
        String request = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s"
                + "Content-Length: " + body.length() + "\r\n\r\n" + body;
        long before = status().path("generated_tokens").asLong();
        try (Socket client = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            client.setSoTimeout(100_000);
            write(client, request.formatted(""));
            while (status().path("generated_tokens").asLong() == before) {
                Thread.sleep(5);
            }
            write(client, request.formatted("Connection: close\r\n"));
            String answers = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(answers.split("\"completion_tokens\":300", -1)).hasSize(3);
        }
    }

    private static void write(Socket client, String request) throws Exception {
        client.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
        client.getOutputStream().flush();
    }
}
