package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.decode.Decoder;
import dev.moe4j.serve.RunningServer.Setup;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Log-probabilities cover all rows of the model's output, which has more rows than the tokenizer has tokens. */
@Timeout(300)
class PaddedVocabularyTest {

    @Test
    void logProbabilitiesAreTheModels() throws Exception {
        try (RunningServer server = new RunningServer(Setup.PLAIN.padding('~'))) {
            assertThat(server.model().config().vocabulary())
                    .isGreaterThan(server.tokenizer().vocabularySize());
            JsonNode answer = server.complete("""
                    {"prompt": "Once", "max_tokens": 12, "seed": 2, "logprobs": 1, "echo": true}""");
            List<Double> reported = answer.path("choices")
                    .path(0)
                    .path("logprobs")
                    .path("token_logprobs")
                    .valueStream()
                    .map(JsonNode::asDouble)
                    .toList();
            String text = answer.path("choices").path(0).path("text").asString();
            int[] prompt = server.tokenizer().encode("Once");
            assertThat(reported).hasSizeGreaterThan(prompt.length);
            // Bytes that are not UTF-8 come back as U+FFFD, so only the prompt is certain to encode to the same tokens.
            assertThat(text).startsWith("Once");
            double[] nats;
            try (Decoder decoder = Decoder.of(server.model(), 1, 16)) {
                decoder.append(new int[] {server.tokenizer().endOfText()});
                nats = decoder.score(prompt)[0];
            }
            for (int i = 0; i < prompt.length; i++) {
                assertThat(reported.get(i)).isCloseTo(-nats[i], within(1e-9));
            }
        }
    }
}
