package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.serve.RunningServer.Setup;
import java.net.http.HttpResponse;
import java.util.Collections;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** A request that exceeds a limit is rejected before memory is allocated for it. */
@Timeout(300)
class RequestLimitsTest {
    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(Setup.PLAIN.context(16_384).waiting(128));
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static JsonNode refused(String body) throws Exception {
        HttpResponse<String> response = server.send(server.post(body));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(server.complete("{\"prompt\": \"a\", \"max_tokens\": 1}").path("choices"))
                .as("the server still works")
                .hasSize(1);
        return RunningServer.error(response);
    }

    private static String repeated(String value, int times) {
        return "[" + String.join(",", Collections.nCopies(times, value)) + "]";
    }

    /** 12.8 million texts in half a megabyte. */
    @Test
    void promptsTimesChoices() throws Exception {
        JsonNode error = refused("{\"prompt\": %s, \"n\": 128}".formatted(repeated("\"ab\"", 100_000)));
        assertThat(error.path("param").asString()).isEqualTo("prompt");
        assertThat(error.path("message").asString())
                .isEqualTo("the request asks for 12800000 texts (prompts times n), but may ask for at most 128;"
                        + " send fewer prompts or lower n");
    }

    @Test
    void promptTokensTimesChoices() throws Exception {
        String prompt = "\"" + "x".repeat(16_000) + "\"";
        JsonNode error = refused("{\"prompt\": %s, \"n\": 2}".formatted(repeated(prompt, 40)));
        assertThat(error.path("message").asString()).startsWith("the prompts have more than 1048576 tokens together");
        assertThat(error.path("param").asString()).isEqualTo("prompt");
    }

    @Test
    void aPromptOfManyTokens() throws Exception {
        JsonNode error = refused("{\"prompt\": \"%s\"}".formatted("x".repeat(10_000_000)));
        assertThat(error.path("message").asString()).startsWith("a prompt has more than 16384 tokens");
        assertThat(error.path("code").asString()).isEqualTo("context_length_exceeded");
    }

    @Test
    void logProbabilities() throws Exception {
        JsonNode error = refused("{\"prompt\": \"a\", \"n\": 128, \"max_tokens\": 1000, \"logprobs\": 20}");
        assertThat(error.path("message").asString())
                .startsWith(
                        "the response could have 2688000 log-probabilities, but a request may ask for at most 1048576");
        assertThat(error.path("param").asString()).isEqualTo("logprobs");
    }

    @Test
    void valuesOfTheBody() throws Exception {
        JsonNode error = refused("{\"prompt\": %s}".formatted(repeated("[1]", 1_000_000)));
        assertThat(error.path("message").asString())
                .startsWith("the body is refused: ")
                .contains("2097152");
    }
}
