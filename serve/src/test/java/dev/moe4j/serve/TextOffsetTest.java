package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.serve.RunningServer.Setup;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code text_offset} counts Unicode characters of the returned text, as Python does. */
@Timeout(300)
class TextOffsetTest {

    private static JsonNode choice(RunningServer server, String prompt, int tokens) throws Exception {
        ObjectNode body = RunningServer.JSON
                .createObjectNode()
                .put("prompt", prompt)
                .put("max_tokens", tokens)
                .put("seed", 3)
                .put("echo", true)
                .put("logprobs", 0);
        return server.complete(body.toString()).path("choices").path(0);
    }

    private static List<Integer> offsets(JsonNode choice) {
        return choice.path("logprobs")
                .path("text_offset")
                .valueStream()
                .map(JsonNode::asInt)
                .toList();
    }

    /** The tokenizer adds a space before the text. The returned text must not contain it. */
    @Test
    void aSpaceInFrontIsNotCounted() throws Exception {
        try (RunningServer server =
                new RunningServer(Setup.PLAIN, RunningServer.tokenizer("metaspace-tokenizer.json"))) {
            JsonNode prompt = choice(server, "the cat sat", 0);
            assertThat(prompt.path("text").asString()).isEqualTo("the cat sat");
            assertThat(offsets(prompt)).containsExactly(0, 4, 8, 9);

            // A character outside the Basic Multilingual Plane counts as one, in a prompt and before the generated
            // text.
            JsonNode more = choice(server, "the 😀 cat", 6);
            String text = more.path("text").asString();
            List<Integer> offsets = offsets(more);
            int prompted = server.tokenizer().encode("the 😀 cat").length;
            assertThat(offsets.subList(0, prompted)).isSorted().allMatch(offset -> offset < 9);
            assertThat(offsets.get(prompted)).isEqualTo(9);
            assertThat(offsets.getLast()).isLessThanOrEqualTo(text.codePointCount(0, text.length()));
        }
    }

    @Test
    void lostCharactersAreCounted() throws Exception {
        try (RunningServer server =
                new RunningServer(Setup.PLAIN, RunningServer.tokenizer("wordpiece-tokenizer.json"))) {
            String text = "snowman ☃☃☃ ᚠᚡ !";
            JsonNode prompt = choice(server, text, 0);
            assertThat(prompt.path("text").asString()).isEqualTo(text);
            List<Integer> offsets = offsets(prompt);
            assertThat(offsets).hasSameSizeAs(server.tokenizer().encode(text)).isSorted();
            assertThat(offsets.getLast()).isEqualTo(15);
            assertThat(offsets).contains(8, 12);
        }
    }

    /** Each byte is a token. All tokens of a character have the character's offset. */
    @Test
    void charactersOfSeveralTokens() throws Exception {
        try (RunningServer server = new RunningServer(Setup.PLAIN)) {
            JsonNode prompt = choice(server, "a😀é.", 0);
            assertThat(offsets(prompt)).containsExactly(0, 1, 1, 1, 1, 2, 2, 3);
            JsonNode tokens = server.complete("""
                    {"prompt": [97, 240, 159, 152, 128, 195, 169, 46], "max_tokens": 0, "echo": true, "logprobs": 0}""").path("choices").path(0);
            assertThat(tokens.path("text").asString()).isEqualTo("a😀é.");
            assertThat(offsets(tokens)).isEqualTo(offsets(prompt));
        }
    }

    @Test
    void aLoneSurrogateIsReturnedAsItWasScored() throws Exception {
        try (RunningServer server = new RunningServer(Setup.PLAIN)) {
            JsonNode answer = server.complete("""
                    {"prompt": "a\\ud800b", "max_tokens": 0, "echo": true, "logprobs": 0, "stop": "\\udc00"}""").path("choices").path(0);
            assertThat(answer.path("text").asString()).isEqualTo("a\uFFFDb");
            assertThat(offsets(answer)).containsExactly(0, 1, 1, 1, 2);
            JsonNode plain = server.complete("""
                    {"prompt": "a\\ud800b", "max_tokens": 0, "echo": true}""");
            assertThat(plain.path("choices").path(0).path("text").asString()).isEqualTo("a\uFFFDb");
        }
    }
}
