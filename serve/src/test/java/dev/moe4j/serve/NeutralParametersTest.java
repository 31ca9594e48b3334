package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.serve.RunningServer.Setup;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** Parameters with neutral values are accepted, because clients of other servers send them. */
@Timeout(300)
class NeutralParametersTest {
    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(Setup.PLAIN);
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @Test
    void neutralValuesAndNullsChangeNothing() throws Exception {
        JsonNode plain = server.complete("{\"prompt\": \"On\", \"max_tokens\": 9, \"seed\": 4}")
                .path("choices");
        JsonNode neutral = server.complete("""
                {"prompt": "On", "max_tokens": 9, "seed": 4, "logprobs": null, "n": null, "stream": null, "model": null,
                 "temperature": null, "top_p": null, "top_k": -1, "echo": null, "stop": null, "stream_options": null,
                 "repetition_penalty": 1.0, "length_penalty": 1, "typical_p": 1, "min_p": 0, "min_tokens": 0,
                 "use_beam_search": false, "early_stopping": false, "ignore_eos": false,
                 "include_stop_str_in_output": false, "stop_token_ids": [], "best_of": null, "guided_json": null}""").path("choices");
        assertThat(neutral).isEqualTo(plain);
        assertThat(neutral.path(0).path("logprobs").isNull()).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"repetition_penalty\": 1.1} | repetition_penalty | must be 1, the only value served, not 1.1",
                "{\"top_k\": -2} | top_k | top_k must be -1 or more, not -2",
                "{\"min_p\": 0.1} | min_p | min_p must be 0, the only value served, not 0.1",
                "{\"use_beam_search\": true} | use_beam_search | must be false, the only value served, not true",
                "{\"ignore_eos\": 1} | ignore_eos | ignore_eos must be true or false, not 1",
                "{\"stop_token_ids\": [5]} | stop_token_ids | stop_token_ids is not served; leave it out",
                "{\"repetition_penalti\": 1} | repetition_penalti | did you mean repetition_penalty?",
                "{\"guided_json\": {}} | guided_json | unknown parameter guided_json",
            })
    void otherValuesAreRefused(String body, String parameter, String message) throws Exception {
        HttpResponse<String> response = server.send(server.post(body));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(RunningServer.error(response).path("param").asString()).isEqualTo(parameter);
        assertThat(RunningServer.error(response).path("message").asString()).contains(message);
    }

    /** As in OpenAI's API, every chunk has the usage field if the request asks for usage. */
    @ParameterizedTest
    @CsvSource({"true", "false"})
    void piecesHaveNoUsageUntilTheLast(boolean asked) throws Exception {
        String events = server.send(server.post("""
                {"prompt": "On", "max_tokens": 5, "seed": 4, "stream": true,
                 "stream_options": {"include_usage": %s}}""".formatted(asked))).body();
        JsonNode[] pieces = events.lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> RunningServer.JSON.readTree(line.substring(6)))
                .toArray(JsonNode[]::new);
        assertThat(pieces).hasSizeGreaterThan(2);
        for (int i = 0; i < pieces.length; i++) {
            boolean last = i == pieces.length - 1;
            assertThat(pieces[i].has("usage")).isEqualTo(asked);
            assertThat(pieces[i].path("usage").isObject()).isEqualTo(asked && last);
        }
    }
}
