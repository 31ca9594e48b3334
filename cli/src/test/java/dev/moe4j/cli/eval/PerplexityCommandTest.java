package dev.moe4j.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class PerplexityCommandTest {
    private static final String TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(20);

    @TempDir
    private Path temp;

    private Path run;
    private Path step;

    @BeforeEach
    void writeCheckpoint() throws IOException {
        run = temp.resolve("run");
        step = TinyCheckpoint.write(run, 20, 4);
    }

    private static Run perplexity(Path checkpoint, Object... more) {
        List<String> args = new ArrayList<>(List.of("eval", "perplexity", "--checkpoint", checkpoint.toString()));
        for (Object arg : more) {
            args.add(arg.toString());
        }
        return Run.of(args.toArray(String[]::new));
    }

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    private Path text(String name, String content) throws IOException {
        return Files.writeString(temp.resolve(name), content);
    }

    private Path prepared(String name, String tokenizer, Path text, String... more) {
        Path out = temp.resolve(name);
        List<String> args =
                new ArrayList<>(List.of("prepare", "--tokenizer", tokenizer, "--out", out.toString(), text.toString()));
        args.addAll(List.of(more));
        Run prepared = Run.of(args.toArray(String[]::new));
        assertThat(prepared.code()).as(prepared.err()).isZero();
        return out;
    }

    @Test
    void scoresEachTextAndTheirMean() throws IOException {
        Path a = text("a.txt", TEXT);
        Path b = text("b.txt", "Etwas anderes, und zwar auf Deutsch.\n".repeat(5));

        JsonNode json = json(perplexity(step, "--data", a, "german=" + b, "--json"));

        JsonNode first = json.path("sets").get(0);
        assertThat(first.path("name").asString()).isEqualTo("a.txt");
        assertThat(json.path("sets").get(1).path("name").asString()).isEqualTo("german");
        assertThat(first.path("tokens").asInt()).isEqualTo(TEXT.length());
        assertThat(first.path("bytes").asInt()).isEqualTo(TEXT.length() - 1);
        double loss = first.path("loss").asDouble();
        assertThat(loss).as("untrained").isBetween(4.5, 7.0);
        assertThat(first.path("ppl").asDouble()).isCloseTo(Math.exp(loss), within(1e-6));
        assertThat(first.path("bits_per_byte").asDouble())
                .isCloseTo(loss / Math.log(2) * TEXT.length() / (TEXT.length() - 1), within(1e-9));
        assertThat(first.path("expert_load").get(0).path("layer").asInt()).isEqualTo(1);
        assertThat(first.path("expert_load").get(0).path("load").size()).isEqualTo(4);
        assertThat(json.path("mean").path("loss").asDouble())
                .isCloseTo((loss + json.path("sets").get(1).path("loss").asDouble()) / 2, within(1e-9));
        assertThat(json.path("checkpoint").asString()).isEqualTo(step.toString());
    }

    @Test
    void textAndPreparedTextScoreAlikeAndTheBatchDoesNotMatter() throws IOException {
        Path text = text("a.txt", TEXT);
        Path shards = prepared("shards", "bytes", text);

        JsonNode json = json(perplexity(run, "--json", "--data", text, "--data", shards));
        JsonNode other = json(perplexity(run, "--json", "--batch=3", "--data", shards));

        double loss = json.path("sets").get(0).path("loss").asDouble();
        assertThat(json.path("sets").get(1).path("loss").asDouble()).isEqualTo(loss);
        assertThat(json.path("sets").get(1).path("split").asString()).isEqualTo("train");
        assertThat(other.path("sets").get(0).path("loss").asDouble()).isCloseTo(loss, within(1e-5));
    }

    /** The checkpoint's tokenizer decodes to the original text, so that all three ways to count agree. */
    @Test
    void theOriginOfBytesAndWordsIsReported() throws IOException {
        Path text = text("a.txt", TEXT);
        Path shards = prepared("shards", "bytes", text);
        Path adopted = prepared("adopted", "bytes", text);
        Files.delete(adopted.resolve("manifest.json"));
        Run adoption = Run.of("prepare", "adopt", "--tokenizer", "bytes", adopted.toString());
        assertThat(adoption.code()).as(adoption.err()).isZero();
        Path old = prepared("old", "bytes", text);
        Path manifest = old.resolve("manifest.json");
        Files.writeString(
                manifest,
                Files.readString(manifest)
                        .replace("\"version\" : 3", "\"version\" : 2")
                        .replaceAll(" *\"words\" : 180,\n", ""));

        JsonNode sets = json(perplexity(run, "--json", "--data", text, shards, adopted, old))
                .path("sets");
        assertThat(sets.valueStream().map(set -> set.path("denominator").asString()))
                .containsExactly(
                        "source",
                        "source",
                        "bytes and words of the decoded tokens",
                        "bytes of the source and words of the decoded tokens");
        for (String figure : List.of("bytes", "words")) {
            assertThat(sets.valueStream().map(set -> set.path(figure)).distinct())
                    .as(figure)
                    .hasSize(1);
        }
        Run table = perplexity(run, "--data", text, old);
        assertThat(table.out().lines().toList().getLast())
                .isEqualTo(
                        "old: bits per byte and per-word perplexity use bytes of the source and words of the decoded "
                                + "tokens, since its folder has no other counts");
    }

    @Test
    void preparedDataIsScoredOnItsHeldOutSplit() throws IOException {
        StringBuilder documents = new StringBuilder();
        for (int i = 0; i < 50; i++) {
            documents.append("document number ").append(i).append("\n\n");
        }
        Path shards = prepared(
                "shards", "bytes", text("a.txt", documents.toString()), "--hold-out=0.3", "--split=blank-line");

        JsonNode set =
                json(perplexity(run, "--json", "--data", shards)).path("sets").get(0);

        assertThat(set.path("split").asString()).isEqualTo("valid");
        assertThat(set.path("tokens").asInt()).isBetween(50, 600);
    }

    @Test
    void windowsOverlapAndEndWithDocuments() throws IOException {
        Path text = text("a.txt", TEXT);
        JsonNode plain =
                json(perplexity(step, "--json", "--data", text)).path("sets").get(0);
        JsonNode overlap = json(perplexity(step, "--json", "--window=12", "--stride=4", "--data", text))
                .path("sets")
                .get(0);
        JsonNode documents = json(perplexity(step, "--json", "--documents", "--data", text))
                .path("sets")
                .get(0);

        assertThat(overlap.path("tokens")).isEqualTo(plain.path("tokens"));
        assertThat(overlap.path("windows").asInt()).isEqualTo(1 + Math.ceilDiv(TEXT.length() - 12, 4));
        assertThat(documents.path("tokens").asInt()).isEqualTo(TEXT.length() + 1);
        assertThat(documents.path("words").asInt()).isEqualTo(180);
        assertThat(plain.path("word_ppl").asDouble())
                .isCloseTo(Math.exp(plain.path("loss").asDouble() * TEXT.length() / 179), withinPercentage(1e-6));
        assertFails(perplexity(step, "--window=17", "--data", text), "the model's context of 16");
        assertFails(perplexity(step, "--stride=17", "--data", text), "cannot move by 17");
    }

    @Test
    void drawsTheExpertLoadOfEachText() throws IOException {
        Path figure = temp.resolve("load.svg");
        json(perplexity(step, "--json", "--load", figure, "--data", text("a.txt", TEXT), text("b.txt", "x y z")));

        assertThat(Files.readString(figure)).contains("a.txt, expert 3: ", "b.txt, expert 0: ");
        Path dense = TinyCheckpoint.write(temp.resolve("dense"), 1, 0);
        assertFails(
                perplexity(dense, "--load", figure, "--data", text("a.txt", TEXT)),
                "is dense and does not have experts");
    }

    /** The file is checked before texts are scored, and no results are written. */
    @Test
    void anUnwritableFigureIsReportedBeforeScoring() throws IOException {
        Path results = temp.resolve("results.jsonl");
        Path text = text("a.txt", TEXT);
        assertFails(
                perplexity(step, "--load", temp.resolve("no/such.svg"), "--results", results, "--data", text),
                "such.svg: cannot be written");
        assertFails(
                perplexity(step, "--load", temp, "--results", results, "--data", text), temp + ": cannot be written");
        assertThat(results).doesNotExist();
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aFullDiskLosesTheFigureOnly() throws IOException {
        Run full = perplexity(step, "--load=/dev/full", "--data", text("a.txt", TEXT));

        assertThat(full.code()).isEqualTo(1);
        assertThat(full.err()).contains("/dev/full: cannot be written");
        assertThat(full.out()).contains("perplexity", "a.txt ");
    }

    /** Truncates the file, as if the evaluation had been killed while it wrote its second line. */
    @Test
    void anInterruptedEvaluationResumes() throws IOException {
        Path a = text("a.txt", TEXT);
        Path b = text("b.txt", "x");
        Path results = temp.resolve("results.jsonl");
        JsonNode whole = json(perplexity(step, "--json", "--results", results, "--data", a, b));
        List<String> lines = Files.readAllLines(results);
        assertThat(lines).hasSize(2);
        Files.writeString(results, lines.get(0) + "\n" + lines.get(1).substring(0, 40));

        Run again = perplexity(step, "--json", "--results", results, "--data", "first=" + a, b);
        JsonNode resumed = json(again);
        assertThat(again.err()).doesNotContain("perplexity first").contains("perplexity b.txt");
        assertThat(resumed.path("sets").get(0).path("name").asString()).isEqualTo("first");
        assertThat(resumed.path("mean")).isEqualTo(whole.path("mean"));
        assertThat(resumed.path("sets").get(1).path("bits_per_byte").isNull()).isTrue();
        assertThat(resumed.path("sets").get(0).path("seconds"))
                .isEqualTo(whole.path("sets").get(0).path("seconds"));
        assertThat(Files.readAllLines(results)).hasSize(2).startsWith(lines.get(0));
        assertThat(json(perplexity(step, "--json", "--results", results, "--data", a, b))
                        .path("mean"))
                .isEqualTo(whole.path("mean"));

        Run other = perplexity(step, "--json", "--stride=8", "--results", results, "--data", a);
        assertThat(other.err()).as("other settings do not reuse results").contains("perplexity a.txt");
        TinyCheckpoint.write(run, 21, 4);
        Run newer = perplexity(run, "--json", "--results", results, "--data", a);
        assertThat(newer.err()).as("another checkpoint does not reuse results").contains("perplexity a.txt");
        assertThat(Files.readAllLines(results)).hasSize(4);

        Files.writeString(results, "nonsense\n");
        assertFails(perplexity(step, "--results", results, "--data", a), "results.jsonl:1: not a line of results");
        assertFails(perplexity(step, "--results", temp, "--data", a), "Is a directory");
    }

    @Test
    void aRunsNewestCheckpointIsUsed() throws IOException {
        Path newer = TinyCheckpoint.write(run, 100, 0);
        Files.createDirectory(run.resolve("step-00000300.abc.tmp"));

        JsonNode json = json(perplexity(run, "--json", "--data", text("a.txt", TEXT)));

        assertThat(json.path("checkpoint").asString()).isEqualTo(newer.toString());
        assertThat(json.path("sets").get(0).path("expert_load").isEmpty()).isTrue();
    }

    @Test
    void aTableForPeople() throws IOException {
        Run table =
                perplexity(run, "--max-windows=5", "--data", text("a.txt", TEXT), "--data", text("b.txt", TEXT + TEXT));

        assertThat(table.code()).isZero();
        assertThat(table.out().lines().toList()).hasSize(4).satisfies(lines -> {
            assertThat(lines.get(0)).matches("text +tokens +loss +perplexity +per word +bits per byte");
            assertThat(lines.get(1)).matches("a\\.txt +80 +\\d\\.\\d{4} +\\d+\\.\\d{3} +[\\d.e+]+ +\\d+\\.\\d{4}");
            assertThat(lines.get(3)).startsWith("mean");
        });
        assertThat(table.err()).contains("perplexity a.txt 5/5 (100 %), loss ");
    }

    @Test
    void anotherTokenizerIsRejectedByName() throws IOException {
        Path shards = prepared("shards", "gpt2:512", text("a.txt", TEXT));
        assertFails(
                perplexity(run, "--data", shards),
                "prepared with the tokenizer gpt2:512, and the checkpoint " + step + " was trained with bytes");
    }

    @Test
    void badTextIsReportedInOneLine() throws IOException {
        assertFails(perplexity(run, "--data", temp.resolve("none.txt")), "none.txt: no such file or folder");
        assertFails(perplexity(run, "--data", text("empty.txt", "")), "empty.txt: it is empty");
        assertFails(
                perplexity(run, "--data", Files.write(temp.resolve("b.bin"), new byte[] {0, 1})),
                "b.bin: it is binary");
        assertFails(perplexity(run, "--data", Files.createDirectory(temp.resolve("dir"))), "dir is empty");
        Path shards = prepared("shards", "bytes", text("a.txt", TEXT));
        Files.writeString(shards.resolve("manifest.json"), "{");
        assertFails(perplexity(run, "--data", shards), "manifest.json is damaged");
    }

    /** One character and an end-of-text token: a single prediction, shorter than a window. */
    @Test
    void aShortTextIsScored() throws IOException {
        JsonNode json = json(perplexity(run, "--json", "--data", text("a.txt", "x")));
        assertThat(json.path("sets").get(0).path("tokens").asInt()).isEqualTo(1);
        assertThat(json.path("sets").get(0).path("bits_per_byte").isNull())
                .as("the end-of-text token has no bytes")
                .isTrue();
    }

    @Test
    void badCheckpointsAreReportedInOneLine() throws IOException {
        Path text = text("a.txt", TEXT);
        assertFails(perplexity(temp.resolve("none"), "--data", text), "none");
        assertFails(perplexity(Files.createDirectory(temp.resolve("hollow")), "--data", text), "hollow");
        assertFails(perplexity(text, "--data", text), "a.txt");

        Path weights = step.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        byte[] damaged = bytes.clone();
        damaged[20] = '}';
        Files.write(weights, damaged);
        assertFails(perplexity(run, "--data", text), "model.safetensors");
        byte[] huge = bytes.clone();
        huge[6] = 1;
        Files.write(weights, huge);
        assertFails(perplexity(run, "--data", text), "model.safetensors");
        Files.write(weights, java.util.Arrays.copyOf(bytes, bytes.length - 1));
        assertFails(perplexity(run, "--data", text), "model.safetensors");
        Files.delete(weights);
        assertFails(perplexity(run, "--data", text), "model.safetensors");
    }

    @Test
    void aDamagedConfigurationIsReportedInOneLine() throws IOException {
        Path text = text("a.txt", TEXT);
        Path config = step.resolve("config.json");
        String good = Files.readString(config).replace(" : ", ":");
        for (String bad : List.of(
                "",
                "[]",
                "{",
                good.replace("\"heads\":4", "\"heads\":5"),
                good.replace("\"layers\":2", "\"layers\":2000000000"),
                good.replace("\"experts\":4", "\"experts\":2000000000"),
                good.replace("\"vocabulary\":264", "\"vocabulary\":200"),
                good.replace("\"format_version\":2", "\"format_version\":9"),
                good.replace("\"name\":\"bytes\"", "\"name\":\"words\""),
                good.replace("\"name\":\"bytes\"", "\"name\":\"gpt2:257\""))) {
            assertThat(bad).isNotEqualTo(good);
            Files.writeString(config, bad);
            assertFails(perplexity(run, "--data", text), "");
        }
        assertFails(perplexity(run, "--data", text), "another definition of the tokenizer gpt2:257");
    }

    /** A folder in Hugging Face's format does not name its tokenizer. */
    @Test
    void aFolderWithoutATokenizerNeedsOne() throws IOException {
        Path text = text("a.txt", TEXT);
        Path dense = TinyCheckpoint.write(temp.resolve("dense"), 1, 0);
        JsonNode before = json(perplexity(dense, "--json", "--data", text));
        ObjectNode config = (ObjectNode) JsonMapper.shared().readTree(Files.readString(dense.resolve("config.json")));
        config.remove("moe4j");
        Files.writeString(dense.resolve("config.json"), config.toString());

        assertFails(perplexity(dense, "--data", text), "does not say which tokenizer");
        assertThat(json(perplexity(dense, "--tokenizer=bytes", "--json", "--data", text))
                        .path("mean"))
                .isEqualTo(before.path("mean"));
        assertFails(perplexity(dense, "--tokenizer=gpt2:1000", "--data", text), "more than the vocabulary of 264");
        assertFails(perplexity(run, "--tokenizer=gpt2", "--data", text), "--tokenizer gpt2: the model in " + step);
    }

    /**
     * A path with NUL is invalid on all systems. It stands for paths such as {@code web=C:\data}, which Windows
     * rejects because of the colon.
     */
    @Test
    void aNamedPathMayBeInvalidAsAWhole() throws IOException {
        JsonNode json = json(perplexity(step, "--json", "--data", "w\0b=" + text("a.txt", TEXT)));

        assertThat(json.path("sets").get(0).path("name").asString()).isEqualTo("w\0b");
    }

    @Test
    void wrongUsageIsReported() throws IOException {
        Path text = text("a.txt", TEXT);
        assertThat(perplexity(run).code()).isEqualTo(2);
        assertThat(perplexity(run, "--data", "=" + text).code()).isEqualTo(2);
        assertThat(perplexity(run, "--data", text, "--batch=0").code()).isEqualTo(2);
        Run twice = perplexity(run, "--data", text, text);
        assertThat(twice.code()).isEqualTo(2);
        assertThat(twice.err()).startsWith("moe4j: two data sets are named a.txt; give each a name, as in a=");
        assertThat(Run.of("eval").code()).isEqualTo(2);
        Run device = perplexity(run, "--data", text, "--device=tpu");
        assertThat(device.code()).isEqualTo(2);
        assertThat(device.err()).contains("device 'tpu' is unknown");
        Run precision = perplexity(run, "--data", text, "--precision=fp8");
        assertThat(precision.code()).isEqualTo(2);
        assertThat(precision.err()).contains("precision 'fp8' is unknown");
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).doesNotContain("\tat ", "internal error");
        assertThat(run.err().lines().filter(line -> line.startsWith("moe4j: ")).toList())
                .singleElement()
                .asString()
                .contains(message);
    }
}
