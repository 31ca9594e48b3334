package dev.moe4j.cli.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.cli.Run;
import dev.moe4j.data.shard.Shards;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PrepareCommandTest {
    @TempDir
    private Path temp;

    private Run prepare(Object... more) {
        List<String> args = new ArrayList<>(List.of("prepare"));
        for (Object arg : more) {
            args.add(arg.toString());
        }
        return Run.of(args.toArray(String[]::new));
    }

    private Path text(String name, String content) throws IOException {
        Path file = temp.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, content);
    }

    private static String document(Shards shards, long number) {
        return shards.tokenizer().decode(shards.train().document(number));
    }

    @Test
    void documentsKeepTheirOrderAndText() throws IOException {
        text("in/b.txt", "second  text\n\n\twith tabs");
        text("in/a.txt", "first");
        Path single = text("z.txt", "Zürich €");
        Path out = temp.resolve("out");

        Run run = prepare("--tokenizer", "gpt2:512", "--out", out, single, temp.resolve("in"), "--json");

        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = JsonMapper.shared().readTree(run.out());
        assertThat(run.out()).hasLineCount(1);
        assertThat(json.path("documents").asInt()).isEqualTo(3);
        assertThat(json.path("text_bytes").asInt()).isEqualTo(24 + 5 + 11);
        assertThat(json.path("vocabulary").asInt()).isEqualTo(512);
        assertThat(json.path("splits").propertyNames()).containsExactly("train");
        assertThat(json.path("bytes_per_token").asDouble())
                .isEqualTo(
                        json.path("text_bytes").asDouble() / json.path("tokens").asDouble());
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.valid()).as("nothing is held out unless asked").isEmpty();
            assertThat(shards.train().documents()).isEqualTo(3);
            assertThat(shards.train().tokens()).isEqualTo(json.path("tokens").asLong());
            assertThat(List.of(document(shards, 0), document(shards, 1), document(shards, 2)))
                    .containsExactly("Zürich €", "first", "second  text\n\n\twith tabs");
        }
    }

    @Test
    void settingsReachThePreparation() throws IOException {
        Path file = text("many.txt", "word  one\n\n".repeat(1) + numbered(200));
        Path out = temp.resolve("out");

        Run run = prepare(
                "--tokenizer=bytes",
                "--out=" + out,
                "--split=blank-line",
                "--hold-out=0.25",
                "--seed=3",
                "--collapse-spaces",
                "--threads=2",
                file);

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("tokenizer bytes", "train ", "valid ", "bytes per token");
        try (Shards shards = Shards.open(out)) {
            long held = shards.valid().orElseThrow().documents();
            assertThat(held).isBetween(20L, 80L);
            assertThat(shards.train().documents() + held).isEqualTo(201);
            assertThat(shards.manifest().options().holdOutSeed()).isEqualTo(3);
            assertThat(shards.manifest().options().transform()).hasToString("COLLAPSE_SPACES");
        }

        assertFails(prepare("--tokenizer=bytes", "--out=" + out, file), "out is not empty");
        assertThat(prepare("--tokenizer=bytes", "--out=" + out, "--overwrite", file)
                        .code())
                .isZero();
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.train().documents()).isEqualTo(1);
        }
    }

    private static String numbered(int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append("document ").append(i).append("\n\n");
        }
        return text.toString();
    }

    @Test
    void reportsThatDropoutIsNotApplied() throws IOException {
        Path tokenizer = text("tokenizer.json", """
                {"added_tokens": [{"id": 0, "content": "[UNK]", "special": true},
                    {"id": 1, "content": "</s>", "special": true}],
                 "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
                 "model": {"type": "BPE", "dropout": 0.5, "unk_token": "[UNK]",
                    "vocab": {"[UNK]": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4}, "merges": ["a b"]}}""");

        Run run = prepare("--tokenizer=" + tokenizer, "--out=" + temp.resolve("out"), text("a.txt", "ab ab"));

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("the tokenizer's dropout of 0.5 is not applied");
    }

    @Test
    void reportsSkippedDocuments() throws IOException {
        text("in/a.txt", "text");
        Files.write(temp.resolve("in/b.bin"), new byte[] {1, 0, 2});
        Files.write(temp.resolve("in/c.txt"), "Zürich".getBytes(StandardCharsets.ISO_8859_1));
        Files.createFile(temp.resolve("in/d.txt"));

        Run run = prepare("--tokenizer=bytes", "--out=" + temp.resolve("out"), temp.resolve("in"));
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("left out: ", "1 binary (", "1 invalid UTF-8 (", "1 empty (");

        Run json = prepare("--tokenizer=bytes", "--out=" + temp.resolve("out2"), "--json", temp.resolve("in"));
        assertThat(JsonMapper.shared().readTree(json.out()).path("skipped"))
                .hasToString("{\"binary\":1,\"empty\":1,\"invalid_utf8\":1}");
    }

    @Test
    void invalidInputIsReportedInOneLine() throws IOException {
        Path out = temp.resolve("out");
        Path file = text("a.txt", "text");
        assertFails(prepare("--tokenizer=bytes", "--out", out, temp.resolve("none")), "none: it does not exist");
        assertFails(prepare("--tokenizer=gpt3", "--out", out, file), "no tokenizer is named \"gpt3\"");
        assertFails(prepare("--tokenizer=bytes", "--out", out, text("empty.txt", "")), "empty.txt: it is empty");
        assertFails(
                prepare("--tokenizer=bytes", "--out", out, Files.createDirectory(temp.resolve("folder"))),
                "folder is empty");
        assertFails(prepare("--tokenizer=bytes", "--out", file, file), "a.txt is not a folder");
        assertFails(prepare("--tokenizer=bytes", "--out", out, "--hold-out=0.5", file), "leaves none for");
        assertThat(out).doesNotExist();
    }

    @Test
    void wrongUsageIsReported() throws IOException {
        Path file = text("a.txt", "text");
        Run run = prepare("--tokenizer=bytes", "--out", temp.resolve("out"), "--split=lines", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: --split lines is unknown: use file, blank-line or paper\n");
        assertThat(prepare("--tokenizer=bytes", "--out", temp.resolve("out")).code())
                .isEqualTo(2);
        assertThat(prepare("--out", temp.resolve("out"), file).code()).isEqualTo(2);
        assertThat(prepare("--tokenizer=bytes", file).err()).startsWith("moe4j: Missing required option: '--out=DIR'");
        Run all = prepare("--tokenizer=bytes", "--out", temp.resolve("out"), "--hold-out=1", file);
        assertThat(all.code()).isEqualTo(2);
        assertThat(all.err()).contains("fraction of 1.0");
        for (String wrong :
                List.of("--format=xml", "--on-error=ask", "--layout=mmap", "--max-document=0", "--threads=0")) {
            assertThat(prepare("--tokenizer=bytes", "--out", temp.resolve("out"), wrong, file)
                            .code())
                    .as(wrong)
                    .isEqualTo(2);
        }
    }

    @Test
    void recordsAreReadAndBadOnesCounted() throws IOException {
        text("in/a.jsonl", "{\"body\":\"one\"}\n{\"text\":\"no body\"}\n");
        text("in/b.csv", "id,body\n1,two\n");
        text("in/c.md", "not of the pattern");
        Path out = temp.resolve("out");
        Object[] args = {"--tokenizer=bytes", "--out=" + out, "--field=body", temp.resolve("in") + "/*.{jsonl,csv}"};
        assertFails(prepare(args), "a.jsonl line 2 has no text named \"body\"");

        Object[] more = Stream.concat(Stream.of("--on-error=skip", "--layout=megatron"), Stream.of(args))
                .toArray();
        Run run = prepare(more);

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("left out: 1 record without the field (");
        try (Shards shards = Shards.open(out)) {
            assertThat(List.of(document(shards, 0), document(shards, 1))).containsExactly("one", "two");
            assertThat(shards.manifest().options().layout()).hasToString("MEGATRON");
        }
    }

    @Test
    void machinesShareTheWork() throws IOException {
        text("in/a.txt", "first");
        text("in/b.txt", "second");
        Path whole = temp.resolve("whole");
        assertThat(prepare("--tokenizer=bytes", "--out", whole, temp.resolve("in"))
                        .code())
                .isZero();
        for (String shard : List.of("1/2", "2/2")) {
            Path out = temp.resolve("part" + shard.charAt(0));
            assertThat(prepare("--tokenizer=bytes", "--shard=" + shard, "--out", out, temp.resolve("in"))
                            .code())
                    .isZero();
        }
        assertFails(prepare("merge", "--out", temp.resolve("m"), temp.resolve("part1")), "shard 2 of 2 is missing");
        Run merge = prepare(
                "merge", "--out", temp.resolve("merged"), temp.resolve("part2"), temp.resolve("part1"), "--json");
        assertThat(merge.code()).as(merge.err()).isZero();
        assertThat(JsonMapper.shared().readTree(merge.out()).path("documents").asInt())
                .isEqualTo(2);
        assertThat(temp.resolve("merged/manifest.json")).hasSameTextualContentAs(whole.resolve("manifest.json"));

        Run verify = prepare("verify", "--json", temp.resolve("merged"));
        assertThat(verify.code()).as(verify.err()).isZero();
        assertThat(JsonMapper.shared().readTree(verify.out()).path("files").asInt())
                .isEqualTo(2);
        Path bin = whole.resolve("train-00000-000.bin");
        byte[] ids = Files.readAllBytes(bin);
        ids[0] ^= 1;
        Files.write(bin, ids);
        assertFails(prepare("verify", whole), "train-00000-000.bin does not have its checksum");
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void anUnwritableFolderIsOneLine() throws IOException {
        Path locked = Files.createDirectory(temp.resolve("locked"));
        assumeTrue(locked.toFile().setWritable(false));
        assumeFalse(Files.isWritable(locked), "root writes everywhere");

        assertFails(
                prepare("--tokenizer=bytes", "--out", locked.resolve("out"), text("a.txt", "text")),
                "permission denied");
    }

    /** /proc takes no folders, whoever asks. */
    @Test
    @DisabledOnOs({OS.WINDOWS, OS.MAC})
    void anUnwritableFolderIsReportedInOneLine() throws IOException {
        assertFails(prepare("--tokenizer=bytes", "--out=/proc/moe4j/out", text("a.txt", "text")), "cannot write");
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        List<String> lines =
                run.err().lines().filter(line -> line.startsWith("moe4j: ")).toList();
        assertThat(lines).singleElement().asString().contains(message);
        assertThat(run.err()).doesNotContain("\tat ", "internal error");
    }
}
