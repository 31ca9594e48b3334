package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.json.Json;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.prepare.ShardMerge;
import dev.moe4j.data.prepare.WorkShare;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.select.MinHash;
import dev.moe4j.text.select.QualityRule;
import dev.moe4j.text.select.Selection;
import dev.moe4j.text.select.Selector;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

final class SelectorTest {
    private static final int WORDS = 200;

    @TempDir
    private Path folder;

    private final Generator random = new Generator("SelectorTest");

    private String[] words(int count) {
        String[] words = new String[count];
        Arrays.setAll(words, _ -> "w" + random.below(20_000));
        return words;
    }

    private static String text(String[] words) {
        return String.join(" ", words);
    }

    private Path write(String name, List<String> documents) throws IOException {
        return Files.writeString(folder.resolve(name), String.join("\n\n", documents) + "\n");
    }

    private static TextInput input(Path... files) {
        return TextInput.of(List.of(files)).splitting(DocumentBoundary.BLANK_LINE);
    }

    private static List<JsonNode> lines(Path selection) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(selection)) {
            lines.add(Json.MAPPER.readTree(line));
        }
        return lines.subList(1, lines.size() - 1);
    }

    /** The share that the five words in a row of two texts have in common. */
    private static double jaccard(String a, String b) {
        Set<List<String>> both = shingles(a);
        Set<List<String>> either = shingles(b);
        int sizes = both.size() + either.size();
        both.retainAll(either);
        return (double) both.size() / (sizes - both.size());
    }

    private static Set<List<String>> shingles(String text) {
        List<String> words = List.of(text.split(" "));
        Set<List<String>> shingles = new HashSet<>();
        for (int i = 0; i + MinHash.SHINGLE <= words.size(); i++) {
            shingles.add(words.subList(i, i + MinHash.SHINGLE));
        }
        return shingles;
    }

    /** Recall and precision against the exact index, as docs/data-quality.md states them. */
    @Test
    void nearDuplicatesAreFoundAndOthersKept() throws IOException {
        List<String> documents = new ArrayList<>();
        List<Double> exact = new ArrayList<>();
        for (int i = 0; i < 1500; i++) {
            String[] words = words(WORDS);
            documents.add(text(words));
            exact.add(0.0);
            String[] copy = words.clone();
            for (int changes = random.below(20); changes >= 0; changes--) {
                copy[random.below(WORDS)] = "new" + random.below(20_000);
            }
            documents.add(text(copy));
            exact.add(jaccard(text(words), text(copy)));
        }
        Path selection = folder.resolve("selection");
        new Selector(input(write("a.txt", documents))).near(0.8).run(selection, false);

        Set<Integer> dropped = new TreeSet<>();
        int close = 0;
        for (JsonNode line : lines(selection)) {
            int document = line.path("document").asInt();
            dropped.add(document);
            int original = line.path("original").path("document").asInt();
            double truth = jaccard(documents.get(document), documents.get(original));
            assertThat(original).isLessThan(document);
            assertThat(truth).isGreaterThan(0.6);
            assertThat(line.path("original").path("similarity").asDouble()).isBetween(truth - 0.2, truth + 0.2);
            close += truth >= 0.75 ? 1 : 0;
        }
        assertThat(close).isGreaterThan((int) (0.9 * dropped.size()));
        int very = 0;
        int found = 0;
        for (int i = 0; i < documents.size(); i++) {
            if (exact.get(i) >= 0.85) {
                very++;
                found += dropped.contains(i) ? 1 : 0;
            }
            assertThat(dropped.contains(i) && exact.get(i) == 0).isFalse();
        }
        assertThat(very).isGreaterThan(150);
        assertThat(found).isGreaterThan((int) (0.93 * very));
    }

    @Test
    void duplicatesAreFoundWithinAndAcrossSources() throws IOException {
        List<String> a = new ArrayList<>();
        List<String> b = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String text = text(words(50));
            a.add(text);
            if (i < 10) {
                b.add(text); // the same
            } else if (i < 15) {
                b.add(text.toUpperCase(Locale.ROOT).replace(" ", ", ")); // the same words
            } else if (i < 18) {
                a.add(text);
            } else {
                b.add(text(words(50)));
            }
        }
        a.add("short");
        b.add("short");
        b.add("Short");
        Path selection = folder.resolve("selection");
        TextInput input = input(write("a.txt", a), write("b.txt", b));
        Selector.Report exact = new Selector(input).exact(true).run(selection, false);
        assertThat(exact.reasons().keySet()).containsExactly("exact_duplicate");
        assertThat(exact.dropped()).isEqualTo(14);
        assertThat(exact.acrossSources()).isEqualTo(Map.of("exact_duplicate", 11L));

        Selector.Report near = new Selector(input).near(0.9).run(selection, true);
        assertThat(near.reasons().get("near_duplicate"))
                .extracting(Selector.Count::documents)
                .isEqualTo(5L);
        assertThat(near.acrossSources()).isEqualTo(Map.of("exact_duplicate", 11L, "near_duplicate", 5L));
        assertThat(near.dropped()).isEqualTo(19);
        assertThat(near.documents()).isEqualTo(a.size() + b.size());
        assertThat(near.sources().get("a"))
                .extracting(
                        source -> source.read().documents(),
                        source -> source.kept().documents())
                .containsExactly((long) a.size(), a.size() - 3L);
        assertThat(near.kept().documents() + near.dropped()).isEqualTo(near.documents());
        assertThat(lines(selection))
                .allSatisfy(line -> assertThat(
                                line.path("original").path("document").asInt(-1))
                        .isNotNegative());
    }

    @Test
    void textOfEvaluationSetsIsFound() throws IOException {
        String[] question = words(30);
        String[] passage = words(40);
        Path sets = Files.createDirectories(folder.resolve("sets"));
        Files.writeString(
                sets.resolve("a.jsonl"),
                "{\"id\": 1, \"q\": \"" + text(question) + "\", \"choices\": [\"yes\", \"no\"]}\n"
                        + "{\"id\": 2, \"q\": \"too short\"}\n");
        Files.writeString(sets.resolve("b.txt"), "a line\n[" + text(passage) + "]\n");
        Files.writeString(
                sets.resolve("c.json"), "[{\"text\": \"" + text(words(20)).replace(" ", "\\n") + "\"}]");

        List<String> documents = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            documents.add(text(words(100)));
        }
        documents.set(7, insert(documents.get(7), Arrays.copyOfRange(question, 4, 17), " - "));
        documents.set(8, insert(documents.get(8), Arrays.copyOfRange(question, 4, 16), " ")); // twelve words
        documents.set(9, insert(documents.get(9), passage, "\n"));
        Path selection = folder.resolve("selection");
        Selector.Report report = new Selector(input(write("a.txt", documents)))
                .evaluation(TextInput.of(List.of(sets)), Selector.EVALUATION_WORDS)
                .run(selection, false);
        assertThat(lines(selection))
                .extracting(line -> line.path("document").asInt())
                .containsExactly(7, 9);
        assertThat(report.reasons().keySet()).containsExactly("evaluation");
        assertThat(report.evaluation()).isEqualTo(Map.of(sets + "!a.jsonl", 1L, sets + "!b.txt", 1L));
        assertThat(report.evaluationWords()).isEqualTo(30 - 12 + 40 - 12 + 20 - 12);
        assertThat(report.evaluationTexts()).isEqualTo(7);
        assertThat(report.evaluationTooShort()).isEqualTo(4);

        assertThatThrownBy(() ->
                        new Selector(input(write("a.txt", documents))).evaluation(TextInput.of(List.of(sets)), 50))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("never has 50 words in a row");
    }

    private static String insert(String text, String[] words, String between) {
        int middle = text.indexOf(' ', text.length() / 2);
        return text.substring(0, middle) + " \u201c" + String.join(between, words) + "\u201d" + text.substring(middle);
    }

    private Path mixed() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        List<String> all = new ArrayList<>();
        for (int f = 0; f < 8; f++) {
            List<String> documents = new ArrayList<>();
            for (int d = 0; d < 150; d++) {
                int kind = random.below(4);
                String[] words = kind == 0 && !all.isEmpty()
                        ? all.get(random.below(all.size())).split(" ")
                        : words(10 + random.below(200));
                if (kind == 0 && random.below(2) == 0) {
                    words[random.below(words.length)] = "changed";
                }
                documents.add(text(words));
            }
            all.addAll(documents);
            Files.writeString(texts.resolve(f + ".txt"), String.join("\n\n", documents));
        }
        return texts;
    }

    private static Selector all(TextInput input) {
        return new Selector(input).near(0.8).rule(QualityRule.MIN_WORDS, 30);
    }

    @Test
    void anyNumberOfThreadsGivesTheSameBytes() throws IOException {
        TextInput input = input(mixed());
        Path one = folder.resolve("one");
        Selector.Report report = all(input).threads(1).run(one, false);
        assertThat(report.reasons()).containsOnlyKeys("min-words", "exact_duplicate", "near_duplicate");
        for (int threads : new int[] {2, 7}) {
            Path other = folder.resolve("other");
            assertThat(all(input).threads(threads).run(other, true)).isEqualTo(report);
            assertThat(other).hasSameBinaryContentAs(one);
        }
    }

    /** Its documents would be duplicates of themselves, and a selection could not say which ones to leave out. */
    @Test
    void aFileThatIsNamedTwiceIsRefused() throws IOException {
        Path texts = mixed();
        assertThatThrownBy(() -> all(input(texts, texts)).run(folder.resolve("selection"), false))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(texts + "!0.txt is named twice");
    }

    @Test
    void whatIsSelectedIsPrepared() throws IOException {
        Path texts = mixed();
        Path file = folder.resolve("selection");
        Selector.Report report = all(input(texts)).run(file, false);
        TextInput selected = input(texts).filter(Selection.read(file));
        Set<List<Object>> dropped = new HashSet<>();
        lines(file)
                .forEach(line -> dropped.add(List.of(
                        line.path("path").asString(), line.path("document").asLong())));
        List<String> expected = new ArrayList<>();
        input(texts).read(document -> {
            if (!dropped.contains(List.of((Object) document.file().path(), document.part()))) {
                expected.add(document.text());
            }
        });
        Path whole = folder.resolve("whole");
        Preparation.Result result = preparation(selected, whole).run();
        assertThat(result.skipped().counts()).isEqualTo(Map.of(Skipped.Reason.NOT_SELECTED, report.dropped()));
        assertThat(result.manifest().options().selection()).isEqualTo(Sha256.of(file));
        try (Shards shards = Shards.open(whole)) {
            assertThat(shards.train().documents()).isEqualTo(expected.size());
            for (int d = 0; d < expected.size(); d++) {
                assertThat(shards.tokenizer().decode(shards.train().document(d)))
                        .isEqualTo(expected.get(d));
            }
        }
        // The same bytes from a run that breaks off again and again, and from two machines.
        Path resumed = folder.resolve("resumed");
        int interruptions = 0;
        for (boolean done = false; !done; interruptions++) {
            int[] left = {4};
            try {
                preparation(input(texts).filter(Selection.read(file)), resumed)
                        .onProgress(_ -> {
                            if (--left[0] == 0) {
                                throw new IllegalStateException("killed");
                            }
                        })
                        .run();
                done = true;
            } catch (IllegalStateException e) {
                assertThat(e).hasMessage("killed");
            }
        }
        assertThat(interruptions).isGreaterThan(2);
        Path first = folder.resolve("first");
        Path second = folder.resolve("second");
        preparation(selected, first).share(new WorkShare(1, 2)).run();
        preparation(selected, second).share(new WorkShare(2, 2)).run();
        Path merged = folder.resolve("merged");
        ShardMerge.merge(List.of(first, second), merged, false);
        for (Manifest.Stored stored : result.manifest().files()) {
            assertThat(resumed.resolve(stored.name())).hasSameBinaryContentAs(whole.resolve(stored.name()));
            assertThat(merged.resolve(stored.name())).hasSameBinaryContentAs(whole.resolve(stored.name()));
        }
        assertThat(resumed.resolve("manifest.json")).hasSameBinaryContentAs(whole.resolve("manifest.json"));
        assertThat(merged.resolve("manifest.json")).hasSameBinaryContentAs(whole.resolve("manifest.json"));
    }

    private static Preparation preparation(TextInput input, Path out) {
        return new Preparation(Tokenizer.of("bytes"), input, out).shardBytes(100_000);
    }

    @Test
    void aSelectionOfOtherInputIsRefused() throws IOException {
        Path texts = mixed();
        Path file = folder.resolve("selection");
        all(input(texts)).run(file, false);
        Selection selection = Selection.read(file);
        TextInput other = TextInput.of(List.of(texts)).filter(selection);
        assertThatThrownBy(() -> preparation(other, folder.resolve("out")).run())
                .isInstanceOf(DataException.class)
                .hasMessageContaining(file + " was made for other input, or with other options");
        Files.writeString(texts.resolve("0.txt"), "more");
        assertThatThrownBy(() -> input(texts).filter(selection).read(_ -> {}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("was made for other input");

        List<String> lines = Files.readAllLines(file);
        Files.write(file, lines.subList(0, lines.size() - 1));
        assertThatThrownBy(() -> Selection.read(file))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("is incomplete");
        List<String> without = new ArrayList<>(lines);
        without.remove(1);
        Files.write(file, without);
        assertThatThrownBy(() -> Selection.read(file)).hasMessageContaining("is incomplete");
        Files.writeString(file, lines.getFirst().substring(0, 20));
        assertThatThrownBy(() -> Selection.read(file)).hasMessageContaining("is damaged");
        Files.writeString(file, "{}\n");
        assertThatThrownBy(() -> Selection.read(file)).hasMessageContaining("is not a selection");
    }

    @Test
    void badInputIsMetAsByPrepare() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), "one\n\n" + "long ".repeat(100_000) + "\n\ntwo\n\none");
        Files.write(texts.resolve("b.txt"), new byte[] {'a', (byte) 0xff});
        Path cut = texts.resolve("c.txt.gz");
        try (var out = new GZIPOutputStream(Files.newOutputStream(cut))) {
            out.write("three\n\n".repeat(1000).getBytes(StandardCharsets.UTF_8));
        }
        Files.write(cut, Arrays.copyOf(Files.readAllBytes(cut), 30));
        TextInput input = input(texts).limits(Limits.DEFAULT.documentBytes(1000));
        Path selection = folder.resolve("selection");
        assertThatThrownBy(() -> new Selector(input).exact(true).run(selection, false))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("is longer than 1000 bytes");
        assertThat(folder).isDirectoryNotContaining("glob:**selection*");
        TextInput skip = input.onError(OnError.SKIP);
        Selector.Report report = new Selector(skip).exact(true).run(selection, false);
        assertThat(report.skipped()).isEqualTo(Map.of("too_long", 1L, "invalid_utf8", 1L, "damaged", 1L));
        assertThat(report.kept().documents()).isEqualTo(2);
        assertThat(lines(selection)).hasSize(1);
        List<String> kept = new ArrayList<>();
        skip.filter(Selection.read(selection)).read(document -> kept.add(document.text()));
        assertThat(kept).containsExactly("one", "two");

        assertThatThrownBy(() -> new Selector(skip).exact(true).run(selection, false))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(selection + " exists");
        assertThatThrownBy(() -> new Selector(skip).run(folder.resolve("none"), false))
                .hasMessageContaining("no criterion to select by");
        assertThatThrownBy(() -> new Selector(skip).near(0.3)).hasMessageContaining("from 0.5 to 1");
        assertThatThrownBy(() -> new Selector(TextInput.of(List.of(Path.of("-"))))
                        .exact(true)
                        .run(folder.resolve("none"), false))
                .hasMessageContaining("standard input");
    }

    /** Each source is held out in proportion to its documents: within four standard errors. */
    @Test
    void documentsAreHeldOutInProportionToTheirSources() {
        HoldOut holdOut = new HoldOut(0.05, 3);
        for (int count : new int[] {2000, 8000, 32_000}) {
            int held = 0;
            for (int i = 0; i < count; i++) {
                held += holdOut.holds(text(words(4))) ? 1 : 0;
            }
            assertThat(held / (double) count).isBetween(0.05 - 4 * error(count), 0.05 + 4 * error(count));
        }
    }

    private static double error(int count) {
        return Math.sqrt(0.05 * 0.95 / count);
    }
}
