package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.data.sample.DocumentSampler;
import dev.moe4j.data.sample.MixedSequences;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Blocks and whole documents with where documents begin in them, and mixtures. */
final class SamplingTest {

    private static int[] sequence(TrainingSequences sequences, long number) {
        int[] out = new int[sequences.length() + 1];
        sequences.sequence(number, out);
        return out;
    }

    @Test
    void blocksTellWhereDocumentsBeginInThem() {
        Documents documents = Documents.random(1, 400, 60);
        BlockSampler sampler = new BlockSampler(documents, 16, 5);
        for (long number = 0; number < 2 * sampler.sequencesPerEpoch(); number++) {
            long target = sampler.offset(number) + 1;
            int[] expected = IntStream.range(1, 16)
                    .filter(i -> Arrays.binarySearch(documents.starts(), (int) target + i) >= 0)
                    .toArray();
            assertThat(sampler.documentStarts(number)).isEqualTo(expected);
            int[] out = sequence(sampler, number);
            assertThat(Arrays.stream(expected).map(i -> out[i])).allMatch(id -> id == Documents.END);
        }
    }

    /** Also of those that are longer than a sequence, of windows of many documents, and of empty ones. */
    @Test
    void anEpochOfWholeDocumentsHasEachIdOnce() {
        for (int length : new int[] {1, 7, 50, 400}) {
            Documents documents = Documents.random(length, DocumentSampler.WINDOW + 17, 60);
            DocumentSampler sampler = new DocumentSampler(documents, length, Documents.END, 3);
            int[][] orders = new int[2][];
            for (int epoch = 0; epoch < 2; epoch++) {
                int perEpoch = (int) sampler.sequencesPerEpoch();
                int[] firsts = new int[perEpoch];
                boolean[] seen = new boolean[documents.ids().length];
                int ends = 0;
                for (int i = 0; i < perEpoch; i++) {
                    long number = (long) epoch * perEpoch + i;
                    int[] out = sequence(sampler, number);
                    firsts[i] = out[1];
                    ends += check(documents, length, out, sampler.documentStarts(number), seen);
                }
                assertThat(ends).isEqualTo((int) Arrays.stream(documents.ids())
                        .filter(id -> id == Documents.END)
                        .count());
                assertThat(IntStream.range(0, seen.length).filter(i -> !seen[i]))
                        .allMatch(i -> documents.ids()[i] == Documents.END);
                orders[epoch] = firsts;
            }
            assertThat(orders[0]).isNotEqualTo(orders[1]);
        }
    }

    /** A law of the format: resuming years later must find the same sequences. */
    @Test
    void wholeDocumentsAreAlwaysPackedAlike() {
        MessageDigest digest = Sha256.digest();
        for (int length : new int[] {1, 7, 50, 400}) {
            Documents documents = Documents.random(length, 3 * DocumentSampler.WINDOW + 17, 60);
            DocumentSampler sampler = new DocumentSampler(documents, length, Documents.END, 3);
            for (long number = 0; number < sampler.sequencesPerEpoch(); number++) {
                digest.update(
                        (Arrays.toString(sequence(sampler, number)) + Arrays.toString(sampler.documentStarts(number)))
                                .getBytes(StandardCharsets.UTF_8));
            }
        }
        assertThat(Sha256.hex(digest)).isEqualTo("ad2a37eb8726c9338c9f2a24adeb55ca847d9ee8f8ade3cf0199580d995f4120");
    }

    /** Packing a window looks up the place of each of its documents, which takes milliseconds. */
    @Test
    void aSequenceLooksUpItsOwnDocumentsAlone() {
        Documents documents = Documents.random(5, 4 * DocumentSampler.WINDOW, 600);
        AtomicLong lookups = new AtomicLong();
        DocumentStream counting = new DocumentStream() {
            @Override
            public long documents() {
                return documents.documents();
            }

            @Override
            public long documentStart(long document) {
                lookups.incrementAndGet();
                return documents.documentStart(document);
            }

            @Override
            public long tokens() {
                return documents.tokens();
            }

            @Override
            public void copyTokens(long offset, int[] out, int at, int count) {
                documents.copyTokens(offset, out, at, count);
            }
        };
        DocumentSampler sampler = new DocumentSampler(counting, 500, Documents.END, 3);
        for (long number = 0; number < sampler.sequencesPerEpoch(); number++) {
            lookups.set(0);
            int pieces = sampler.documentStarts(number).length + 1;
            assertThat(lookups.get()).isLessThanOrEqualTo(2L * pieces);
        }
    }

    /** Checks a sequence, marks its ids but for ends of text, and counts these. */
    private static int check(Documents documents, int length, int[] out, int[] starts, boolean[] seen) {
        int used = length;
        while (out[used] == TrainingSequences.NONE) {
            used--;
        }
        assertThat(starts).isSorted().doesNotHaveDuplicates();
        if (used < length) {
            assertThat(starts[starts.length - 1]).isEqualTo(used);
        }
        int ends = 0;
        for (int i = 1; i <= used; i++) {
            boolean begins = i == 1 || Arrays.binarySearch(starts, i - 1) >= 0;
            if (begins && i > 1) {
                assertThat(out[i - 1]).isEqualTo(Documents.END);
            }
            if (out[i] == Documents.END) {
                ends++;
                assertThat(i == used || Arrays.binarySearch(starts, i) >= 0).isTrue();
                continue;
            }
            int at = out[i] - 100;
            assertThat(seen[at]).isFalse();
            seen[at] = true;
            boolean first = Arrays.binarySearch(documents.starts(), at) >= 0;
            if (first) {
                assertThat(begins).isTrue();
                assertThat(out[i - 1]).isEqualTo(Documents.END);
            } else if (i == 1 || !begins) { // the previous input is the previous token of the same document
                assertThat(out[i - 1]).isEqualTo(documents.ids()[at - 1]);
            }
            int document = Arrays.binarySearch(documents.starts(), at + 1);
            int number = document >= 0 ? document - 1 : -document - 2;
            int whole = documents.starts()[number + 1] - documents.starts()[number];
            if (whole <= length && first) { // not cut
                assertThat(i + whole - 1).isLessThanOrEqualTo(used);
                assertThat(out[i + whole - 1]).isEqualTo(Documents.END);
            }
        }
        return ends;
    }

    @Test
    void packingLeavesLittleEmpty() {
        Documents documents = Documents.random(11, 5000, 1200);
        DocumentSampler sampler = new DocumentSampler(documents, 1024, Documents.END, 3);
        double full = documents.tokens() / (1024.0 * sampler.sequencesPerEpoch());
        assertThat(full).isGreaterThan(0.99);
        // A law of the format: resuming years later must find the same order.
        assertThat(LongStream.range(0, 4).mapToInt(i -> sequence(sampler, i)[1]))
                .containsExactly(1200517, 897156, 1709477, 1099682);
    }

    /** The pieces of a document with two billion tokens are counted and not listed. */
    @Test
    void aHugeDocumentIsFoundByCounting() {
        long tokens = 2_000_000_003L;
        DocumentStream huge = new DocumentStream() {
            @Override
            public long documents() {
                return 2;
            }

            @Override
            public long documentStart(long document) {
                return new long[] {0, tokens - 5, tokens}[(int) document];
            }

            @Override
            public long tokens() {
                return tokens;
            }

            @Override
            public void copyTokens(long offset, int[] out, int at, int count) {
                for (int i = 0; i < count; i++) {
                    out[at + i] = (int) ((offset + i) % 1000);
                }
            }
        };
        DocumentSampler sampler = new DocumentSampler(huge, 4, 7, 1);
        assertThat(sampler.sequencesPerEpoch()).isEqualTo((tokens - 5) / 4 + 2);
        assertThat(sampler.documentStarts(12345)).isEmpty();
        int[] out = sequence(sampler, 12345);
        assertThat(IntStream.range(1, 5).map(i -> Math.floorMod(out[i] - out[i - 1], 1000)))
                .containsOnly(1);
    }

    @Test
    void aMixtureBySizeHasEachSequenceOnceAnEpoch() {
        List<BlockSampler> sources = List.of(
                new BlockSampler(Documents.of(41), 10, 1),
                new BlockSampler(Documents.of(2001), 10, 2),
                new BlockSampler(Documents.of(301), 10, 3));
        MixedSequences mixed = MixedSequences.bySize(sources, 9);
        assertThat(mixed.sequencesPerEpoch()).isEqualTo(4 + 200 + 30);
        for (int epoch = 0; epoch < 3; epoch++) {
            boolean[][] seen = {new boolean[4], new boolean[200], new boolean[30]};
            for (int i = 0; i < 234; i++) {
                long number = epoch * 234L + i;
                MixedSequences.Turn turn = mixed.turn(number);
                BlockSampler source = sources.get(turn.source());
                assertThat(turn.number() / source.sequencesPerEpoch()).isEqualTo(epoch);
                int chunk = (int) source.offset(turn.number()) / 10;
                assertThat(seen[turn.source()][chunk]).isFalse();
                seen[turn.source()][chunk] = true;
                assertThat(sequence(mixed, number)).isEqualTo(sequence(source, turn.number()));
                assertThat(mixed.documentStarts(number)).isEqualTo(source.documentStarts(turn.number()));
            }
        }
    }

    @Test
    void weightsAreSharesAndNoNumberOfASourceIsLeftOut() {
        List<BlockSampler> sources = IntStream.range(0, 3)
                .mapToObj(i -> new BlockSampler(Documents.of(1001), 10, i))
                .toList();
        MixedSequences mixed = MixedSequences.byWeight(sources, new double[] {5, 1, 2}, 9);
        int count = 3 * MixedSequences.ROUND;
        boolean[][] seen = new boolean[3][count];
        int[] early = new int[3];
        int[] turns = new int[3];
        for (int i = 0; i < count; i++) {
            MixedSequences.Turn turn = mixed.turn(i);
            assertThat(seen[turn.source()][(int) turn.number()]).isFalse();
            seen[turn.source()][(int) turn.number()] = true;
            turns[turn.source()]++;
            early[turn.source()] += i < 2000 ? 1 : 0;
        }
        assertThat(turns).containsExactly(count / 8 * 5, count / 8, count / 8 * 2);
        for (int i = 0; i < 3; i++) {
            assertThat(Arrays.copyOf(seen[i], turns[i])).doesNotContain(false);
        }
        // Shares hold in a short stretch too: 2000 draws, standard deviations of 21 and 15.
        assertThat(early[0]).isCloseTo(1250, within(90));
        assertThat(early[1]).isCloseTo(250, within(60));
        assertThat(LongStream.range(0, 6).mapToInt(i -> mixed.turn(i).source())).containsExactly(1, 0, 1, 0, 1, 0);
    }

    @Test
    void quotasAreTheWeightsToTheirPrecision() {
        assertThat(MixedSequences.quotas(1)).containsExactly(MixedSequences.ROUND);
        assertThat(MixedSequences.quotas(1, 1, 1)).containsExactly(21846, 21845, 21845);
        assertThat(MixedSequences.quotas(1e-9, 1, 1e-9)).containsExactly(1, MixedSequences.ROUND - 2, 1);
        assertThat(MixedSequences.quotas(1e300, 3e300)).containsExactly(16384, 49152);
        assertThat(MixedSequences.quotas(0.7, 0.2, 0.1)).containsExactly(45875, 13107, 6554);
    }

    @Test
    void foldersAreMixedByName(@TempDir Path folder) throws IOException {
        SequencedMap<String, Path> folders = new LinkedHashMap<>();
        for (String name : List.of("a", "b")) {
            Path text = Files.writeString(folder.resolve(name + ".txt"), (name + "\n\n").repeat(200));
            Path out = folder.resolve(name);
            TextInput input = TextInput.of(List.of(text)).splitting(DocumentBoundary.BLANK_LINE);
            Preparation.Result _ = new Preparation(Tokenizer.of("bytes"), input, out).run();
            folders.put(name, out);
        }
        try (TrainingData data = TrainingData.open(folders)) {
            TrainingSequences mixed =
                    data.sequences(TrainingData.SequenceMode.DOCUMENTS, 6, Map.of("a", 3.0, "b", 1.0), 4);
            int[] counts = new int[256];
            for (long i = 0; i < 4000; i++) {
                counts[sequence(mixed, i)[1]]++;
            }
            assertThat((double) counts['a']).isCloseTo(3000, within(120.0));
            assertThat(counts['a'] + counts['b']).isEqualTo(4000);
            assertThat(sequence(mixed, 3)).startsWith(256).endsWith(256);
            assertThat(mixed.documentStarts(3)).containsExactly(2, 4);
            try (TrainingData first =
                    TrainingData.of(Shards.open(folders.firstEntry().getValue()))) {
                assertThat(data.sha256()).isNotEqualTo(first.sha256());
            }
            assertThatThrownBy(() -> data.sequences(TrainingData.SequenceMode.BLOCKS, 6, Map.of("a", 1.0), 4))
                    .isInstanceOf(DataException.class)
                    .hasMessageStartingWith("the data b does not have a weight; give a weight to each of a, b");
            assertThatThrownBy(() -> data.sequences(TrainingData.SequenceMode.BLOCKS, 6, Map.of("c", 1.0), 4))
                    .isInstanceOf(DataException.class)
                    .hasMessage("no data is called c, which has a weight; the names are a, b");
        }
        Path text = folder.resolve("a.txt");
        Path other = folder.resolve("other");
        Preparation.Result _ = new Preparation(Tokenizer.of("gpt2:300"), TextInput.of(List.of(text)), other).run();
        folders.put("other", other);
        assertThatThrownBy(() -> TrainingData.open(folders))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("was made with the tokenizer gpt2:300");
    }
}
