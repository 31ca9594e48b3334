package dev.moe4j.cli.data;

import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.cli.Run;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Tests {@code tokenizer train}, {@code data select}, {@code prepare} with the files of both, {@code data stats}
 * and {@code data overlap}.
 */
class DataCommandTest {
    private static final String SAME = "the same words that stand in both of the documents of this little test, twice";

    @TempDir
    private Path temp;

    private static Run run(Object... args) {
        List<String> all = new ArrayList<>();
        for (Object arg : args) {
            all.add(arg.toString());
        }
        return Run.of(all.toArray(String[]::new));
    }

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    private Path texts() throws IOException {
        Path texts = Files.createDirectories(temp.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), SAME + "\n\nanother document, unlike the first\n\nx");
        Files.writeString(texts.resolve("b.txt"), SAME + "\n\nyet another one that nothing else is like");
        return texts;
    }

    @Test
    void tokenizesSelectsPreparesAndCounts() throws IOException {
        Path texts = texts();
        Path tokenizer = temp.resolve("own/tokenizer.json");
        JsonNode trained = json(run("tokenizer", "train", "--vocabulary", 270, "--out", tokenizer, texts, "--json"));
        assertThat(trained.path("vocabulary").asInt()).isEqualTo(270);
        assertThat(trained.path("documents").asInt()).isEqualTo(2);

        Path selection = temp.resolve("selection");
        JsonNode selected = json(run(
                "data",
                "select",
                "--exact",
                "--rule",
                "min-words=2",
                "--out",
                selection,
                "--split",
                "blank-line",
                texts,
                "--json"));
        assertThat(selected.path("report").path("dropped").asInt()).isEqualTo(2);
        assertThat(selected.path("report").path("reasons").propertyNames())
                .containsExactly("exact_duplicate", "min-words");

        Path out = temp.resolve("data");
        JsonNode prepared = json(run(
                "prepare",
                "--tokenizer",
                tokenizer,
                "--selection",
                selection,
                "--split",
                "blank-line",
                "--out",
                out,
                texts,
                "--json"));
        assertThat(prepared.path("documents").asInt()).isEqualTo(3);
        assertThat(prepared.path("skipped").path("not_selected").asInt()).isEqualTo(2);
        assertThat(prepared.path("tokenizer").asString()).isEqualTo("tokenizer.json");
        assertThat(out.resolve("tokenizer.json")).hasSameBinaryContentAs(tokenizer);

        JsonNode train =
                json(run("data", "stats", out, "--json")).path("splits").path("train");
        assertThat(train.path("statistics").path("documents").asInt()).isEqualTo(3);
        assertThat(train.path("statistics").path("repeated").asInt()).isZero();
        assertThat(train.path("bytes_per_token").asDouble())
                .isEqualTo(prepared.path("bytes_per_token").asDouble());
        assertThat(run("data", "stats", out).out())
                .contains("3 documents")
                .contains("bytes per token")
                .contains("\u2588")
                .contains("repeated: 0 documents");
    }

    /** The tokenizer file is copied from the data to the checkpoint, where generation and evaluation find it. */
    @Test
    void checkpointsContainTheirTokenizer() throws IOException {
        Path text =
                Files.writeString(temp.resolve("a.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(99));
        Path tokenizer = temp.resolve("tokenizer.json");
        json(run("tokenizer", "train", "--vocabulary", 270, "--out", tokenizer, text, "--json"));
        Path out = temp.resolve("data");
        json(run("prepare", "--tokenizer", tokenizer, "--out", out, text, "--json"));
        Path model = temp.resolve("run");
        JsonNode trained = json(run(
                "train",
                "--model=cpu-tiny-moe",
                "--data",
                out,
                "--steps=2",
                "--set=precision=fp32",
                "--out",
                model,
                "--json"));
        Path checkpoint = Path.of(trained.path("checkpoint").asString());
        assertThat(checkpoint.resolve("tokenizer.json")).hasSameBinaryContentAs(tokenizer);
        Files.delete(out.resolve("tokenizer.json"));

        assertThat(json(run("generate", "--checkpoint", model, "--prompt=the", "--tokens=3", "--json"))
                        .path("prompt_tokens")
                        .asInt())
                .isEqualTo(Tokenizer.of(tokenizer.toString()).encode("the").length);
        json(run("eval", "perplexity", "--checkpoint", model, "--tokenizer", tokenizer, "--data", text, "--json"));
        assertThat(run("eval", "perplexity", "--checkpoint", model, "--tokenizer=gpt2", "--data", text)
                        .err())
                .contains("was trained with tokenizer.json");
        Files.writeString(checkpoint.resolve("tokenizer.json"), Files.readString(tokenizer) + " ");
        assertThat(run("generate", "--checkpoint", model, "--prompt=the").err())
                .contains("another definition of the tokenizer tokenizer.json");
    }

    @Test
    void statsListDuplicates() throws IOException {
        Path texts = texts();
        Path out = temp.resolve("data");
        json(run("prepare", "--tokenizer", "gpt2", "--split", "blank-line", "--out", out, texts, "--json"));
        assertThat(run("data", "stats", out).out())
                .contains("repeated: 1 documents duplicate an earlier one")
                .contains("2 \u00d7 document 0,")
                .contains("the same words that stand in both");
    }

    @Test
    void overlapIsMeasuredPerText() throws IOException {
        Path training = prepared("training", SAME + " and more");
        Path seen = prepared("seen", SAME);
        Path other = prepared("other", "one two three four five six seven eight nine ten eleven twelve thirteen");
        Path brief = prepared("brief", "too short");

        JsonNode overlap = json(run(
                "data",
                "overlap",
                "--training",
                training,
                "--data",
                seen,
                "--data",
                "unseen=" + other,
                "--data",
                brief,
                "--json"));
        assertThat(overlap.path("words").asInt()).isEqualTo(13);
        assertThat(overlap.path("texts").toString())
                .isEqualTo("[{\"name\":\"seen\",\"runs\":3,\"found\":3,\"share\":1.0},"
                        + "{\"name\":\"unseen\",\"runs\":1,\"found\":0,\"share\":0.0},"
                        + "{\"name\":\"brief\",\"runs\":0,\"found\":0,\"share\":null}]");
        assertThat(run("data", "overlap", "--training", training, "--data", seen, "--data", brief)
                        .out())
                .contains("100.00 %", "too short", "warning: more than 1 % of seen occurs in the training text")
                .doesNotContain("% of brief");
    }

    /** Like perplexity, overlap uses the held-out split: prepared data is compared with its own training split. */
    @Test
    void overlapUsesTheHeldOutSplit() throws IOException {
        String documents = IntStream.range(0, 8)
                .mapToObj(i -> IntStream.range(0, 20)
                        .mapToObj(word -> "d" + i + "w" + word)
                        .collect(joining(" ")))
                .collect(joining("\n\n"));
        Path file = Files.writeString(temp.resolve("documents.txt"), documents);
        Path out = temp.resolve("documents");
        json(run(
                "prepare",
                "--tokenizer",
                "bytes",
                "--split",
                "blank-line",
                "--hold-out",
                "0.5",
                "--out",
                out,
                file,
                "--json"));

        JsonNode text = json(run("data", "overlap", "--training", out, "--data", out, "--json"))
                .path("texts")
                .path(0);
        assertThat(text.path("runs").asInt()).isPositive();
        assertThat(text.path("found").asInt()).isZero();
    }

    private Path prepared(String name, String text) throws IOException {
        Path file = Files.writeString(temp.resolve(name + ".txt"), text);
        Path out = temp.resolve(name);
        json(run("prepare", "--tokenizer", "bytes", "--out", out, file, "--json"));
        return out;
    }

    @Test
    void wrongUsageNamesTheRemedy() throws IOException {
        Path texts = texts();
        Path out = temp.resolve("out");
        assertThat(run("data", "select", "--out", out, texts).err()).contains("no criterion to select by");
        assertThat(run("data", "select", "--out", out, "--rule", "max-wrods=3", texts)
                        .err())
                .contains("no rule is named \"max-wrods\"");
        assertThat(run("data", "select", "--out", out, "--rules", "goofy", texts)
                        .code())
                .isEqualTo(2);
        assertThat(run("data", "select", "--out", out, "--exact").err()).contains("INPUT");
        assertThat(run("tokenizer", "train", "--vocabulary", 50_000, "--out", out, texts)
                        .err())
                .contains("give more text or ask for a smaller vocabulary");
        assertThat(out).doesNotExist();
        assertThat(run("data", "stats", texts).err()).contains("is not prepared data");
        assertThat(run("prepare", "--tokenizer", texts + "/none.json", "--out", out, texts)
                        .err())
                .contains("cannot read the tokenizer");
    }
}
