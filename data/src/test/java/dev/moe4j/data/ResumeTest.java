package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.data.prepare.OutputFolder;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.prepare.ShardMerge;
import dev.moe4j.data.prepare.WorkShare;
import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Preparation in parts: taken up again after any end, shared out, and read as one. */
final class ResumeTest {
    private static final long SHARD = 50_000;

    @TempDir
    private Path folder;

    private final Generator random = new Generator("ResumeTest");

    /** Small files, large ones that take several parts, files that are left out, and an archive of records. */
    private Path texts() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        for (int i = 0; i < 40; i++) {
            StringBuilder text = new StringBuilder();
            int documents = i % 10 == 3 ? 200 : 5;
            for (int d = 0; d < documents; d++) {
                text.append(random.text(2000).replaceAll("[\r\n\0]+", " ")).append("\n\n");
            }
            Files.writeString(texts.resolve("%02d.txt".formatted(i)), text);
        }
        Files.write(texts.resolve("binary"), new byte[] {0});
        Files.writeString(texts.resolve("records.jsonl"), "{\"text\":\"one\"}\n{\"text\":\"\"}\n{\"text\":\"two\"}\n");
        return texts;
    }

    private Preparation preparation(Path texts, Path out) {
        TextInput input = TextInput.of(List.of(texts)).format(TextFormat.AUTO).splitting(DocumentBoundary.BLANK_LINE);
        return new Preparation(Tokenizer.of("bytes"), input, out).shardBytes(SHARD);
    }

    private static Map<String, String> sums(Path out) throws IOException {
        Map<String, String> sums = new TreeMap<>();
        try (Stream<Path> files = Files.list(out)) {
            for (Path file : files.toList()) {
                sums.put(String.valueOf(file.getFileName()), Sha256.of(file));
            }
        }
        return sums;
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(p -> String.valueOf(p.getFileName())).sorted().toList();
        }
    }

    /** How many files there are; none in a folder that is not there, or goes while it is listed. */
    private static long count(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.count();
        } catch (NoSuchFileException e) {
            return 0;
        }
    }

    @Test
    void partsAreOneStream() throws IOException {
        Path texts = texts();
        Preparation.Result result = preparation(texts, folder.resolve("parts")).run();
        preparation(texts, folder.resolve("one")).shardBytes(1L << 40).run();
        assertThat(result.manifest().files()).hasSizeGreaterThan(30);
        assertThat(result.skipped().byName()).isEqualTo(Map.of("binary", 1L, "empty", 1L));
        try (Shards parts = Shards.open(folder.resolve("parts"));
                Shards one = Shards.open(folder.resolve("one"))) {
            ShardList a = parts.train();
            ShardList b = one.train();
            assertThat(one.manifest().files()).hasSize(2);
            assertThat(a.tokens()).isEqualTo(b.tokens());
            assertThat(a.documents()).isEqualTo(b.documents());
            for (long i = 0; i < a.documents(); i++) {
                assertThat(a.document(i)).isEqualTo(b.document(i));
                assertThat(a.documentLength(i)).isEqualTo(b.documentLength(i));
                assertThat(a.documentStart(i)).isEqualTo(b.documentStart(i));
            }
            assertThat(a.documentStart(a.documents())).isEqualTo(a.tokens());
            for (int i = 0; i < 300; i++) {
                int count = random.below(3 * (int) SHARD);
                long from = Math.floorMod(random.nextLong(), a.tokens() - count);
                int[] ofA = new int[count + 1];
                int[] ofB = new int[count + 1];
                a.copyTokens(from, ofA, 1, count);
                b.copyTokens(from, ofB, 1, count);
                assertThat(ofA).isEqualTo(ofB);
            }
            BlockSampler ofParts = new BlockSampler(a, 1000, 7);
            BlockSampler ofOne = new BlockSampler(b, 1000, 7);
            int[] x = new int[1001];
            int[] y = new int[1001];
            for (long i = 0; i < 2 * ofParts.sequencesPerEpoch(); i++) {
                ofParts.sequence(i, x);
                ofOne.sequence(i, y);
                assertThat(x).isEqualTo(y);
            }
            assertThatThrownBy(() -> a.document(a.documents())).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> a.copyTokens(a.tokens(), new int[1], 0, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void aKilledRunGoesOnToTheSameBytes() throws IOException, InterruptedException {
        Path texts = texts();
        Path wanted = folder.resolve("wanted");
        TextInput input = TextInput.of(List.of(texts))
                .format(TextFormat.AUTO)
                .splitting(DocumentBoundary.BLANK_LINE)
                .limits(Limits.DEFAULT.documentBytes(1 << 20));
        new Preparation(Tokenizer.of("bytes"), input, wanted).shardBytes(SHARD).run();

        Path out = folder.resolve("out");
        Path parts = folder.resolve(".out.partial/parts");
        Path log = folder.resolve("log");
        int kills = 0;
        long before = 0;
        while (true) {
            Process process =
                    PrepareProcess.start(log, List.of(), out, SHARD, OnError.FAIL, DocumentBoundary.BLANK_LINE, texts);
            // Each run writes a few more parts and is then killed, sometimes after a short delay.
            long goal = before + 1 + random.below(8);
            while (process.isAlive() && count(parts) < goal) {
                Thread.onSpinWait();
            }
            if (process.isAlive()) {
                process.waitFor(random.below(8), TimeUnit.MILLISECONDS);
                process.destroyForcibly();
                kills++;
            }
            if (process.waitFor() == 0 || Files.exists(out)) { // killed after its very end, it left a whole folder too
                break;
            }
            assertThat(Files.readString(log)).as("killed, not failed").isEmpty();
            assertThat(out).doesNotExist();
            assertThat(count(parts)).isGreaterThanOrEqualTo(before);
            before = count(parts);
        }
        assertThat(kills).isGreaterThan(3);
        assertThat(sums(out)).isEqualTo(sums(wanted));
    }

    @Test
    void sharesJoinToTheSameBytes() throws IOException {
        Path texts = texts();
        Path wanted = folder.resolve("wanted");
        HoldOut holdOut = new HoldOut(0.1, 3);
        preparation(texts, wanted).holdOut(holdOut).run();
        for (int of : new int[] {1, 3, 15}) {
            List<Path> shares = new ArrayList<>();
            for (int number = of; number >= 1; number--) {
                Path share = folder.resolve("share-" + of + "-" + number);
                preparation(texts, share)
                        .holdOut(holdOut)
                        .share(new WorkShare(number, of))
                        .run();
                shares.add(share);
            }
            Path merged = folder.resolve("merged-" + of);
            Manifest manifest = ShardMerge.merge(shares, merged, false);
            assertThat(sums(merged)).isEqualTo(sums(wanted));
            assertThat(manifest).isEqualTo(Manifest.read(wanted));
        }

        Path one = folder.resolve("share-3-1");
        Path two = folder.resolve("share-3-2");
        Path three = folder.resolve("share-3-3");
        Path out = folder.resolve("out");
        assertFails(() -> ShardMerge.merge(List.of(one, three), out, false), "shard 2 of 3 is missing");
        assertFails(() -> ShardMerge.merge(List.of(one, two), out, false), "shard 3 of 3 is missing");
        assertFails(() -> ShardMerge.merge(List.of(one, two, one), out, false), "are both shard 1");
        assertFails(() -> ShardMerge.merge(List.of(), out, false), "nothing to merge");
        assertFails(() -> ShardMerge.merge(List.of(wanted, two), out, false), "another preparation");
        assertFails(() -> Shards.open(two), "is shard 2 of 3");
        Path bin = two.resolve(Manifest.read(two).files().getFirst().name());
        byte[] bytes = Files.readAllBytes(bin);
        bytes[bytes.length / 2] ^= 1;
        Files.delete(bin); // what was merged is linked to it
        Files.write(bin, bytes);
        assertFails(() -> ShardMerge.merge(List.of(one, two, three), out, false), "does not have its checksum");
        assertThat(out).doesNotExist();
        assertFails(() -> WorkShare.parse("0/3"), "is not a shard");
        assertFails(() -> WorkShare.parse("4/3"), "no shard 4/3");
        assertThat(WorkShare.parse("2/3")).isEqualTo(new WorkShare(2, 3));
    }

    private static void assertFails(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String words) {
        assertThatThrownBy(call).isInstanceOf(DataException.class).hasMessageContaining(words);
    }

    @Test
    void whatIsWrittenIsKeptForARunWithTheSameInput() throws IOException {
        Path texts = texts();
        Path wanted = folder.resolve("wanted");
        preparation(texts, wanted).run();
        Path bad =
                Files.write(texts.resolve("zz.jsonl"), "no json\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
        Path out = folder.resolve("out");
        assertFails(() -> preparation(texts, out).run(), "zz.jsonl line 1 is not JSON");
        assertThat(names()).containsExactly(".out.partial", "texts", "wanted");

        Files.delete(bad);
        assertFails(() -> preparation(texts, out).run(), "unfinished run with other input or options");
        Files.write(bad, "no json\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
        assertFails(() -> preparation(texts, out).threads(1).run(), "other input"); // its time is another
        Files.delete(bad);
        preparation(texts, out).overwrite(true).run();
        assertThat(sums(out)).isEqualTo(sums(wanted));
        assertThat(names()).containsExactly("out", "texts", "wanted");
    }

    /** As with {@code cd texts; prepare --out data .}, which finds its own unfinished folder, and then its data. */
    @Test
    void whatIsWrittenIntoAnInputIsNoTextOfIt() throws IOException {
        Path texts = texts();
        Path wanted = folder.resolve("wanted");
        preparation(texts, wanted).run();
        Path out = texts.resolve("data");
        int[] left = {4};
        Preparation killed = preparation(texts, out).onProgress(_ -> {
            if (--left[0] == 0) {
                throw new IllegalStateException("killed");
            }
        });
        assertThatThrownBy(killed::run).isInstanceOf(IllegalStateException.class);
        assertThat(texts.resolve(".data.partial")).isDirectory();
        preparation(texts, out).run();
        assertThat(sums(out)).isEqualTo(sums(wanted));
        preparation(texts, out).overwrite(true).run();
        assertThat(sums(out)).isEqualTo(sums(wanted));

        TextInput named = TextInput.of(List.of(out.resolve(Manifest.FILE)));
        Preparation again = new Preparation(Tokenizer.of("bytes"), named, out).overwrite(true);
        assertThat(again.run().manifest().documents())
                .as("a file that was named")
                .isOne();
    }

    @Test
    void twoRunsDoNotWriteTheSameFolder() throws IOException {
        Path texts = texts();
        Path out = folder.resolve("out");
        try (OutputFolder first = new OutputFolder(out, false, "a plan")) {
            assertThat(first.data()).isEmptyDirectory();
            assertFails(() -> preparation(texts, out).overwrite(true).run(), "another run is writing");
        }
        preparation(texts, out).run();
        assertThat(names()).containsExactly("out", "texts");
    }

    @Test
    void megatronsLayoutIsWrittenAndRead() throws IOException {
        Path texts = texts();
        preparation(texts, folder.resolve("fairseq")).run();
        preparation(texts, folder.resolve("megatron"))
                .layout(ShardLayout.MEGATRON)
                .run();
        try (Shards fairseq = Shards.open(folder.resolve("fairseq"));
                Shards megatron = Shards.open(folder.resolve("megatron"))) {
            assertThat(megatron.train().documents()).isEqualTo(fairseq.train().documents());
            for (long i = 0; i < fairseq.train().documents(); i++) {
                assertThat(megatron.train().document(i))
                        .isEqualTo(fairseq.train().document(i));
            }
            assertThat(Arrays.asList(megatron.manifest(), fairseq.manifest()))
                    .extracting(manifest -> manifest.options().layout())
                    .containsExactly(ShardLayout.MEGATRON, ShardLayout.FAIRSEQ);
        }
    }
}
