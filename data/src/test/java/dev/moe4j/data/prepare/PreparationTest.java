package dev.moe4j.data.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

final class PreparationTest {
    @TempDir
    private Path folder;

    private Path texts() {
        return folder.resolve("texts");
    }

    private Path out() {
        return folder.resolve("out");
    }

    private void write(String name, String text) {
        try {
            Path file = texts().resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private List<String> random(String test, int documents, int length) {
        Generator random = new Generator(test);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < documents; i++) {
            String text = random.text(length).replace('\0', ' ');
            texts.add(text);
            write("%05d.txt".formatted(i), text);
        }
        return texts;
    }

    private Preparation preparation(String tokenizer) {
        return new Preparation(Tokenizer.of(tokenizer), TextInput.of(List.of(texts())), out());
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(p -> String.valueOf(p.getFileName())).sorted().toList();
        }
    }

    @Test
    void oneEntryADocumentInInputOrder() {
        write("b.txt", "two\n\ntwo\n");
        write("a.txt", "one");
        Preparation.Result result = preparation("bytes").run();
        assertThat(result.skipped().total()).isZero();
        try (Shards shards = Shards.open(out())) {
            assertThat(shards.valid()).isEmpty();
            assertThat(shards.manifest()).isEqualTo(result.manifest());
            assertThat(shards.tokenizer().spec()).isEqualTo("bytes");
            ShardList train = shards.train();
            assertThat(train.documents()).isEqualTo(2);
            assertThat(train.document(0)).containsExactly('o', 'n', 'e', 256);
            assertThat(train.document(1)).containsExactly('t', 'w', 'o', '\n', '\n', 't', 'w', 'o', '\n', 256);
            shards.manifest().verify(out());
        }
    }

    @Test
    void theManifestIsAsDocumented() throws IOException {
        write("a.txt", "Hello world");
        Files.write(texts().resolve("b.bin"), new byte[] {0});
        new Preparation(
                        Tokenizer.of("gpt2"),
                        TextInput.of(List.of(texts())).transform(TextTransform.COLLAPSE_SPACES),
                        out())
                .run();
        String hash = Tokenizer.of("gpt2").hash();
        assertThat(Files.readString(out().resolve("manifest.json"))).isEqualToNormalizingNewlines("""
                        {
                          "format" : "moe4j-shards",
                          "version" : 3,
                          "tokenizer" : {
                            "spec" : "gpt2",
                            "hash" : "%s",
                            "vocabulary" : 50257,
                            "end_of_text" : 50256
                          },
                          "appends_end_of_text" : true,
                          "splits" : {
                            "train" : {
                              "documents" : 1,
                              "tokens" : 3,
                              "text_bytes" : 11,
                              "words" : 2,
                              "shards" : [ {
                                "documents" : 1,
                                "tokens" : 3,
                                "text_bytes" : 11,
                                "words" : 2,
                                "bin" : {
                                  "name" : "train-00000-000.bin",
                                  "bytes" : 6,
                                  "sha256" : "%s"
                                },
                                "idx" : {
                                  "name" : "train-00000-000.idx",
                                  "bytes" : 38,
                                  "sha256" : "%s"
                                }
                              } ]
                            }
                          },
                          "sources" : [ {
                            "input" : "%s",
                            "documents" : 1,
                            "text_bytes" : 11
                          } ],
                          "options" : {
                            "format" : "text",
                            "field" : "text",
                            "splitting" : "file",
                            "transform" : "collapse_spaces",
                            "on_error" : "fail",
                            "document_bytes" : 134217728,
                            "hold_out_fraction" : 0.0,
                            "hold_out_seed" : 0,
                            "layout" : "fairseq",
                            "shard_bytes" : 1073741824
                          },
                          "work" : {
                            "share" : 1,
                            "of" : 1,
                            "plan" : "%s"
                          },
                          "skipped" : {
                            "binary" : 1
                          }
                        }
                        """.formatted(
                        hash,
                        Sha256.of(out().resolve("train-00000-000.bin")),
                        Sha256.of(out().resolve("train-00000-000.idx")),
                        texts(),
                        Manifest.read(out()).work().plan()));
        assertThat(names()).containsExactly("out", "texts");
    }

    @Test
    void anyNumberOfThreadsWritesTheSameBytes() throws IOException {
        List<String> texts = random("anyNumberOfThreadsWritesTheSameBytes", 300, 4000);
        String large = String.join(" ", texts) + String.join("", texts);
        write("large.txt", large);
        HoldOut holdOut = new HoldOut(0.2, 5);
        List<List<String>> sums = new ArrayList<>();
        for (int threads : new int[] {1, 2, 7}) {
            Preparation.Result result = preparation("gpt2:2048")
                    .holdOut(holdOut)
                    .threads(threads)
                    .overwrite(true)
                    .run();
            List<String> sum = new ArrayList<>();
            for (String name : List.of(
                    "train-00000-000.bin",
                    "train-00000-000.idx",
                    "valid-00000-000.bin",
                    "valid-00000-000.idx",
                    "manifest.json")) {
                sum.add(Sha256.of(out().resolve(name)));
            }
            sums.add(sum);
            assertThat(result.manifest().splits().values().stream()
                            .mapToLong(Manifest.Split::textBytes)
                            .sum())
                    .isEqualTo(Stream.concat(texts.stream(), Stream.of(large))
                            .mapToLong(t -> t.getBytes(StandardCharsets.UTF_8).length)
                            .sum());
        }
        assertThat(new HashSet<>(sums)).hasSize(1);
        assertThat(names()).containsExactly("out", "texts");
        try (Shards shards = Shards.open(out())) {
            Tokenizer tokenizer = shards.tokenizer();
            ShardList valid = shards.valid().orElseThrow();
            List<String> expectTrain = new ArrayList<>();
            List<String> expectValid = new ArrayList<>();
            texts.add(large);
            for (String text : texts) {
                (holdOut.holds(text) ? expectValid : expectTrain).add(text);
            }
            for (var split : List.of(
                    java.util.Map.entry(shards.train(), expectTrain), java.util.Map.entry(valid, expectValid))) {
                assertThat(split.getKey().documents())
                        .isEqualTo(split.getValue().size());
                for (int i = 0; i < split.getValue().size(); i++) {
                    int[] ids = split.getKey().document(i);
                    String text = split.getValue().get(i);
                    assertThat(ids[ids.length - 1]).isEqualTo(2047);
                    assertThat(Arrays.copyOf(ids, ids.length - 1)).isEqualTo(tokenizer.encode(text));
                    assertThat(tokenizer.decode(ids)).isEqualTo(text);
                }
            }
        }
    }

    @Test
    void progressReachesTheEnd() {
        random("progressReachesTheEnd", 50, 20_000);
        List<Preparation.Progress> seen = new ArrayList<>();
        Preparation.Result result = preparation("gpt2").onProgress(seen::add).run();
        assertThat(seen).hasSizeGreaterThan(1);
        assertThat(seen.getLast().inputBytes()).isEqualTo(seen.getLast().inputBytesTotal());
        Manifest.Split train = result.manifest().splits().get("train");
        assertThat(train).isNotNull();
        if (train != null) {
            assertThat(seen.getLast().tokens()).isEqualTo(train.tokens());
            assertThat(seen.getLast().documents()).isEqualTo(50);
        }
    }

    @Test
    void holdOutsDependOnTheTextAlone() {
        Generator random = new Generator("holdOutsDependOnTheTextAlone");
        HoldOut holdOut = new HoldOut(0.25, 1);
        HoldOut other = new HoldOut(0.25, 2);
        int held = 0;
        int both = 0;
        for (int i = 0; i < 10_000; i++) {
            String text = "document " + i + " " + random.text(30);
            held += holdOut.holds(text) ? 1 : 0;
            both += holdOut.holds(text) && other.holds(text) ? 1 : 0;
            assertThat(new HoldOut(0.25, 1).holds(text.concat(""))).isEqualTo(holdOut.holds(text));
            assertThat(holdOut.holds(text) && !new HoldOut(0.5, 1).holds(text)).isFalse();
            assertThat(HoldOut.NONE.holds(text)).isFalse();
        }
        // Standard deviations 43 and 24; the seed is random, so seven of them.
        assertThat(held).isBetween(2500 - 300, 2500 + 300);
        assertThat(both).isBetween(625 - 170, 625 + 170);
        for (double bad : new double[] {-0.1, 1, Double.NaN}) {
            assertThatThrownBy(() -> new HoldOut(bad, 0)).isInstanceOf(DataException.class);
        }
    }

    @Test
    void aHoldOutThatLeavesNothingIsAnError() throws IOException {
        write("a", "only one");
        assertThatThrownBy(
                        () -> preparation("bytes").holdOut(new HoldOut(1e-9, 0)).run())
                .isInstanceOf(DataException.class)
                .hasMessageContaining("none for validation");
        assertThatThrownBy(() ->
                        preparation("bytes").holdOut(new HoldOut(0.999999, 0)).run())
                .isInstanceOf(DataException.class)
                .hasMessageContaining("none for training");
        assertThat(names()).containsExactly("texts");
    }

    @Test
    void afterAFailureNothingIsLeft() throws IOException {
        random("afterAFailureNothingIsLeft", 100, 20_000);
        Path bad = Files.write(folder.resolve("bad"), new byte[] {(byte) 0xff});
        Preparation preparation = new Preparation(Tokenizer.of("gpt2"), TextInput.of(List.of(texts(), bad)), out());
        assertThatThrownBy(preparation::run).isInstanceOf(DataException.class).hasMessageContaining("invalid UTF-8");
        assertThat(names()).containsExactly("bad", "texts");

        preparation("bytes").run();
        String before = Files.readString(out().resolve("manifest.json"));
        assertThatThrownBy(() -> preparation.overwrite(true).run()).isInstanceOf(DataException.class);
        assertThat(Files.readString(out().resolve("manifest.json"))).isEqualTo(before);
        assertThat(names()).containsExactly("bad", "out", "texts");
    }

    @Test
    void whatIsInTheWayStays() throws IOException {
        write("a", "text");
        Files.createDirectory(out());
        preparation("bytes").run();
        assertThatThrownBy(() -> preparation("bytes").run())
                .isInstanceOf(DataException.class)
                .hasMessageContaining("is not empty");
        assertThat(preparation("gpt2")
                        .overwrite(true)
                        .run()
                        .manifest()
                        .tokenizer()
                        .spec())
                .isEqualTo("gpt2");
        try (Shards shards = Shards.open(out())) {
            assertThat(shards.tokenizer().spec()).isEqualTo("gpt2");
        }

        Path home = Files.createDirectory(folder.resolve("home"));
        Files.writeString(home.resolve("thesis"), "dear");
        Preparation wrong =
                new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(texts())), home).overwrite(true);
        assertThatThrownBy(wrong::run).isInstanceOf(DataException.class).hasMessageContaining("is not prepared data");
        assertThat(home.resolve("thesis")).hasContent("dear");

        Path file = Files.writeString(folder.resolve("file"), "x");
        for (Path target : List.of(file, file.resolve("below"))) {
            Preparation blocked =
                    new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(texts())), target).overwrite(true);
            assertThatThrownBy(blocked::run)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("choose another output folder");
        }
        assertThat(names()).containsExactly("file", "home", "out", "texts");
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aLinkStaysAndItsFolderIsFilled() throws IOException {
        write("a", "text");
        Path disk = Files.createDirectories(folder.resolve("disk/data"));
        Files.createSymbolicLink(out(), disk);
        preparation("bytes").run();
        assertThat(out()).isSymbolicLink();
        assertThat(Manifest.read(disk).tokenizer().spec()).isEqualTo("bytes");
        preparation("gpt2").overwrite(true).run();
        assertThat(out()).isSymbolicLink();
        assertThat(Manifest.read(disk).tokenizer().spec()).isEqualTo("gpt2");
        assertThat(names()).containsExactly("disk", "out", "texts");

        FileTree.delete(disk);
        assertThatThrownBy(() -> preparation("bytes").run())
                .isInstanceOf(DataException.class)
                .hasMessageContaining(out() + " is not a folder");
    }

    @Test
    void whatComesIntoTheWayStaysToo() throws IOException {
        write("a", "text");
        Path other = out().resolve("thesis");
        Preparation preparation = preparation("bytes").onProgress(_ -> {
            if (!Files.exists(other)) {
                try {
                    Files.createDirectories(out());
                    Files.writeString(other, "dear");
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        });
        assertThatThrownBy(preparation::run).isInstanceOf(DataException.class).hasMessageContaining("is not empty");
        assertThat(other).hasContent("dear");
        FileTree.delete(out());
        preparation("bytes").run();
        assertThat(names()).containsExactly("out", "texts");
    }

    /** As the program wrote it before words were counted. Its checksum, by which a run knows its data, stays as it was. */
    @Test
    void dataOfVersion2HasNoWords() throws IOException {
        write("a.txt", "Hello world");
        preparation("bytes").run();
        Path file = out().resolve("manifest.json");
        String old = Files.readString(file)
                .replace("\"version\" : 3", "\"version\" : 2")
                .replaceAll(" *\"words\" : 2,\n", "");
        assertThat(old).doesNotContain("words");
        Files.writeString(file, old);

        Manifest manifest = Manifest.read(out());
        assertThat(manifest.splits().get("train"))
                .extracting(Manifest.Split::size)
                .isEqualTo(new TextSize(11, 0));
        assertThat(manifest.sha256()).isEqualTo(Sha256.of(file));
        assertThat(manifest.adopted()).isFalse();
    }

    @Test
    void damagedFoldersAreRefused() throws IOException {
        write("a", " the");
        assertThatThrownBy(() -> Shards.open(out()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("has no manifest.json");
        preparation("gpt2:2048").run();
        Path manifest = out().resolve("manifest.json");
        String good = Files.readString(manifest);
        String[][] changes = {
            {"\"version\" : 3", "\"version\" : 4", "has version 4, but this program reads 2 to 3"},
            {"\"version\" : 3", "\"version\" : 1", "has version 1"},
            {"moe4j-shards", "something", "not of the format"},
            {"\"version\"", "\"versio", "damaged"},
            {"\"skipped\"", "\"unknown\"", "damaged"},
            {"\"tokens\" : 2", "\"tokens\" : 3", "the manifest says"},
            {"\"tokens\" : 2,", "", "damaged"},
            {"\"documents\" : 1,\n      \"tokens\"", "\"documents\" : 2,\n      \"tokens\"", "do not add up"},
            {"\"gpt2:2048\"", "\"gpt2:2049\"", "another definition"},
            {"\"gpt2:2048\"", "\"none\"", "no tokenizer is named"},
            {"\"gpt2:2048\"", "null", "damaged"},
            {"\"end_of_text\" : 2047", "\"end_of_text\" : 0", "another definition"},
            {"\"train-00000-000.bin\"", "\"../train-00000-000.bin\"", "outside its folder"},
            {"\"train-00000-000.bin\"", "\"other.bin\"", "does not exist"},
            {"\"train\"", "\"test\"", "not have a split named train"},
            {"\"bytes\" : 4", "\"bytes\" : 5", "manifest says"},
        };
        for (String[] change : changes) {
            String bad = good.replace(change[0], change[1]);
            assertThat(bad).isNotEqualTo(good);
            Files.writeString(manifest, bad);
            assertThatThrownBy(() -> Shards.open(out()).close())
                    .as(String.join(" -> ", change))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(change[2]);
        }
        Files.writeString(manifest, good);
        Manifest read = Manifest.read(out());
        read.verify(out());
        Files.write(out().resolve("train-00000-000.bin"), new byte[] {1, 2, 3, 4});
        assertThatThrownBy(() -> read.verify(out()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("train-00000-000.bin does not have its checksum");
        Files.delete(out().resolve("train-00000-000.bin"));
        assertThatThrownBy(() -> Shards.open(out()).close())
                .isInstanceOf(DataException.class)
                .hasMessageContaining("train-00000-000.bin: it does not exist");
    }
}
