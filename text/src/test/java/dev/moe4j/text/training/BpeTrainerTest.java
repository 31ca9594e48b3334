package dev.moe4j.text.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.ByteLevel;
import dev.moe4j.text.tokenizer.ByteLevelBpe;
import dev.moe4j.text.tokenizer.GptTokenizer;
import dev.moe4j.text.tokenizer.NativeTokenizer;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BpeTrainerTest {
    private static final int VOCABULARY = 600;

    @TempDir
    private Path folder;

    private Path texts(int files) throws IOException {
        Generator random = new Generator("BpeTrainerTest");
        Path texts = Files.createDirectories(folder.resolve("texts"));
        for (int i = 0; i < files; i++) {
            StringBuilder text = new StringBuilder();
            for (int w = 0; w < 4000; w++) {
                text.append(words(random.below(300))).append(random.below(9) == 0 ? ".\n" : " ");
            }
            Files.writeString(texts.resolve(i + ".txt"), text.append(random.text(2000)));
        }
        return texts;
    }

    /** A word that is the same each time, some more often than others. */
    private static String words(int n) {
        StringBuilder word = new StringBuilder();
        for (long h = SplitMix64.mix(n % (1 + n / 7)); h != 0 && word.length() < 9; h >>>= 7) {
            word.append("etaoinshrdlué漢".charAt((int) (h & 0x7f) % 14));
        }
        return word.toString();
    }

    private static BpeTrainer.Trained train(Path input, int threads) {
        return new BpeTrainer(VOCABULARY, TextInput.of(List.of(input)))
                .threads(threads)
                .run();
    }

    @Test
    void theLibraryEncodesAsWeDo() throws IOException {
        Path texts = texts(3);
        Path file = folder.resolve("out/tokenizer.json");
        BpeTrainer.Trained trained = train(texts, 2);
        trained.write(file, false);
        Tokenizer own = Tokenizer.of(file.toString());
        NativeTokenizer library = TokenizerFiles.byLibrary(file);
        assertThat(own).isInstanceOf(GptTokenizer.class);
        assertThat(own.hash()).isEqualTo(trained.hash()).isEqualTo(Sha256.of(file));
        assertThat(own.vocabularySize()).isEqualTo(VOCABULARY).isEqualTo(library.vocabularySize());
        assertThat(own.endOfText()).isEqualTo(VOCABULARY - 1).isEqualTo(library.endOfText());
        for (int id = 0; id < VOCABULARY; id++) {
            assertThat(library.bytes(id)).isEqualTo(own.bytes(id));
        }
        Generator random = new Generator("theLibraryEncodesAsWeDo");
        for (int i = 0; i < 1000; i++) {
            String text = i < 3 ? Files.readString(texts.resolve(i + ".txt")) : random.text(300);
            int[] ids = own.encode(text);
            assertThat(library.encode(text)).isEqualTo(ids);
            assertThat(own.decodeBytes(ids)).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    @Test
    void anyNumberOfThreadsGivesTheSameBytes() throws IOException {
        Path texts = texts(5);
        byte[] one = train(texts, 1).json();
        assertThat(train(texts, 3).json()).isEqualTo(one);
        assertThat(train(texts, 8).json()).isEqualTo(one);
    }

    /** The same merges as learning by counting all pairs anew each time. */
    @Test
    void mergesAreThoseOfThePlainAlgorithm() throws IOException {
        Map<String, Long> pieces = new TreeMap<>();
        Generator random = new Generator("mergesAreThoseOfThePlainAlgorithm");
        for (int i = 0; i < 400; i++) {
            pieces.merge(random.text(12), 1L + random.below(5), Long::sum);
        }
        ByteLevelBpe learnt = new MergeLearner(pieces).learn(350, _ -> {});
        assertThat(learnt.merges()).isEqualTo(plain(pieces, 350));
    }

    private static List<ByteLevelBpe.Merge> plain(Map<String, Long> pieces, int vocabulary) {
        Map<List<Integer>, Long> words = new HashMap<>();
        Map<Byte, Integer> ids = new HashMap<>();
        for (int id = 0; id < 256; id++) {
            ids.put((byte) ByteLevel.byteOf(id), id);
        }
        pieces.forEach((piece, count) -> {
            List<Integer> word = new ArrayList<>();
            for (byte b : piece.getBytes(StandardCharsets.UTF_8)) {
                word.add(ids.getOrDefault(b, -1));
            }
            words.merge(word, count, Long::sum);
        });
        List<ByteLevelBpe.Merge> merges = new ArrayList<>();
        Map<List<Integer>, Long> now = words;
        for (int id = 256; id < vocabulary - 1; id++) {
            Map<List<Integer>, Long> pairs = new HashMap<>();
            now.forEach((word, count) -> {
                for (int i = 0; i + 1 < word.size(); i++) {
                    pairs.merge(List.copyOf(word.subList(i, i + 2)), count, Long::sum);
                }
            });
            List<Integer> best = pairs.entrySet().stream()
                    .min((a, b) -> {
                        int byCount = Long.compare(b.getValue(), a.getValue());
                        int byLeft =
                                Integer.compare(a.getKey().get(0), b.getKey().get(0));
                        int byRight =
                                Integer.compare(a.getKey().get(1), b.getKey().get(1));
                        return byCount != 0 ? byCount : byLeft != 0 ? byLeft : byRight;
                    })
                    .orElseThrow()
                    .getKey();
            merges.add(new ByteLevelBpe.Merge(best.get(0), best.get(1), id));
            Map<List<Integer>, Long> next = new HashMap<>();
            int joined = id;
            now.forEach((word, count) -> {
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < word.size(); i++) {
                    if (i + 1 < word.size() && word.subList(i, i + 2).equals(best)) {
                        out.add(joined);
                        i++;
                    } else {
                        out.add(word.get(i));
                    }
                }
                next.merge(out, count, Long::sum);
            });
            now = next;
        }
        return merges;
    }

    @Test
    void rarePiecesAreForgottenAlikeForAnyThreads() {
        Generator random = new Generator("rarePiecesAreForgotten");
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            StringBuilder text = new StringBuilder();
            for (int w = 0; w < 5000; w++) {
                text.append(random.below(3) == 0 ? random.below(50) : random.below(1_000_000))
                        .append(' ');
            }
            texts.add(text.toString());
        }
        List<Map<String, Long>> counted = new ArrayList<>();
        for (int threads : new int[] {1, 4}) {
            try (PieceCounter counter = new PieceCounter(threads, 20_000)) {
                texts.forEach(counter::add);
                counted.add(Map.copyOf(counter.finish()));
                assertThat(counter.forgotten()).isPositive();
            }
        }
        assertThat(counted.get(0)).hasSizeLessThanOrEqualTo(20_000).isEqualTo(counted.get(1));
        assertThat(counted.get(0).getOrDefault(" 7", 0L)).isGreaterThan(1000);
    }

    @Test
    void tooLittleTextSaysHowMuchItIsGoodFor() throws IOException {
        Path file = Files.writeString(folder.resolve("a.txt"), "abababab");
        assertThatThrownBy(() -> train(file, 1))
                .isInstanceOf(DataException.class)
                .hasMessage("the text has pairs that occur more than once for a vocabulary of 259, not 600; give more"
                        + " text or ask for a smaller vocabulary");
        assertThatThrownBy(() -> new BpeTrainer(256, TextInput.of(List.of(file))))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("from 257");
    }
}
