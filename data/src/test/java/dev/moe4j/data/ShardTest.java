package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.data.shard.ShardReader;
import dev.moe4j.data.shard.ShardWriter;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ShardTest {
    private static final byte[] MAGIC = HexFormat.of().parseHex("4d4d49444944580000");

    @TempDir
    private Path folder;

    private Path prefix() {
        return folder.resolve("x");
    }

    private void write(byte[] idx, byte[] bin) {
        try {
            Files.write(folder.resolve("x.idx"), idx);
            Files.write(folder.resolve("x.bin"), bin);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocate(1000).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.position()];
        buffer.get(0, bytes);
        return bytes;
    }

    /** An index for documents of those lengths, back to back. */
    private static byte[] fairseq(int code, int width, int... lengths) {
        ByteBuffer idx = buffer().put(MAGIC).putLong(1).put((byte) code).putLong(lengths.length);
        return bytes(tables(idx, width, lengths));
    }

    private static ByteBuffer tables(ByteBuffer idx, int width, int... lengths) {
        for (int length : lengths) {
            idx.putInt(length);
        }
        long pointer = 0;
        for (int length : lengths) {
            idx.putLong(pointer);
            pointer += (long) length * width;
        }
        return idx;
    }

    private static byte[] megatron(int code, int width, int[] lengths, long... documents) {
        ByteBuffer idx = buffer().put(MAGIC).putLong(1).put((byte) code).putLong(lengths.length);
        tables(idx.putLong(documents.length), width, lengths);
        for (long document : documents) {
            idx.putLong(document);
        }
        return bytes(idx);
    }

    /** The ids 1, 2, 3, … */
    private static byte[] ids(int width, int count) {
        ByteBuffer bin = buffer();
        for (int i = 1; i <= count; i++) {
            for (int b = 0; b < width; b++) {
                bin.put((byte) (b == 0 ? i : 0));
            }
        }
        return bytes(bin);
    }

    @Test
    void writesTheLayoutByteByByte() throws IOException {
        try (ShardWriter writer = new ShardWriter(prefix(), 65_536, ShardLayout.FAIRSEQ)) {
            writer.append(new int[] {9, 1, 0xfffe, 9}, 1, 2);
            writer.endDocument();
            writer.endDocument();
            writer.append(new int[] {3}, 0, 1);
            writer.endDocument();
            ShardWriter.Written written = writer.finish();
            assertThat(written.bin()).isEqualTo(new Manifest.Stored("x.bin", 6, sha256("0100feff0300")));
            assertThat(written.idx().bytes()).isEqualTo(62);
            assertThat(writer.documents()).isEqualTo(3);
            assertThat(writer.tokens()).isEqualTo(3);
        }
        assertThat(folder.resolve("x.bin")).hasBinaryContent(HexFormat.of().parseHex("0100feff0300"));
        assertThat(folder.resolve("x.idx"))
                .hasBinaryContent(HexFormat.of()
                        .parseHex("4d4d49444944580000" + "0100000000000000" + "08" + "0300000000000000"
                                + "02000000" + "00000000" + "01000000"
                                + "0000000000000000" + "0400000000000000" + "0400000000000000"));
    }

    @Test
    void writesMegatronsLayoutByteByByte() {
        try (ShardWriter writer = new ShardWriter(prefix(), 65_536, ShardLayout.MEGATRON)) {
            writer.append(new int[] {1, 0xfffe}, 0, 2);
            writer.endDocument();
            writer.append(new int[] {3}, 0, 1);
            writer.endDocument();
            writer.finish();
        }
        assertThat(folder.resolve("x.idx"))
                .hasBinaryContent(HexFormat.of()
                        .parseHex("4d4d49444944580000" + "0100000000000000" + "08" + "0200000000000000"
                                + "0300000000000000"
                                + "02000000" + "01000000"
                                + "0000000000000000" + "0400000000000000"
                                + "0000000000000000" + "0100000000000000" + "0200000000000000"));
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.document(0)).containsExactly(1, 0xfffe);
            assertThat(reader.document(1)).containsExactly(3);
        }
    }

    private static String sha256(String hex) {
        var digest = Sha256.digest();
        digest.update(HexFormat.of().parseHex(hex));
        return Sha256.hex(digest);
    }

    @Test
    void largeVocabulariesTakeFourBytes() throws IOException {
        try (ShardWriter writer = new ShardWriter(prefix(), 65_537, ShardLayout.FAIRSEQ)) {
            writer.append(new int[] {65_536}, 0, 1);
            writer.endDocument();
            writer.finish();
        }
        assertThat(folder.resolve("x.bin")).hasBinaryContent(new byte[] {0, 0, 1, 0});
        assertThat(Files.readAllBytes(folder.resolve("x.idx"))[17]).isEqualTo((byte) 4);
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.document(0)).containsExactly(65_536);
        }
    }

    @Test
    void idsOutsideTheVocabularyAreRefused() {
        try (ShardWriter writer = new ShardWriter(prefix(), 100, ShardLayout.FAIRSEQ)) {
            for (int id : new int[] {100, -1}) {
                assertThatThrownBy(() -> writer.append(new int[] {id}, 0, 1))
                        .isInstanceOf(DataException.class)
                        .hasMessageContaining("outside the vocabulary of 100");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1", "2,1", "3,2", "4,4", "5,8", "8,2"})
    void readsFairseqFiles(int code, int width) {
        write(fairseq(code, width, 2, 0, 3), ids(width, 5));
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.documents()).isEqualTo(3);
            assertThat(reader.tokens()).isEqualTo(5);
            assertThat(reader.document(0)).containsExactly(1, 2);
            assertThat(reader.document(1)).isEmpty();
            assertThat(reader.document(2)).containsExactly(3, 4, 5);
            assertThat(reader.documentStart(2)).isEqualTo(2);
            assertThat(reader.documentStart(3)).isEqualTo(5);
            int[] out = new int[6];
            reader.copyTokens(1, out, 2, 3);
            assertThat(out).containsExactly(0, 0, 2, 3, 4, 0);
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1", "2,1", "3,2", "4,4", "5,8", "8,2"})
    void readsMegatronFiles(int code, int width) {
        write(megatron(code, width, new int[] {2, 1, 3}, 0, 2, 2, 3), ids(width, 6));
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.documents()).isEqualTo(3);
            assertThat(reader.tokens()).isEqualTo(6);
            assertThat(reader.document(0)).containsExactly(1, 2, 3);
            assertThat(reader.document(1)).isEmpty();
            assertThat(reader.document(2)).containsExactly(4, 5, 6);
            assertThat(reader.documentStart(2)).isEqualTo(3);
            assertThat(reader.documentLength(0)).isEqualTo(3);
            int[] out = new int[6];
            reader.copyTokens(0, out, 0, 6);
            assertThat(out).containsExactly(1, 2, 3, 4, 5, 6);
        }
    }

    @Test
    void unsignedIdsStayPositiveAndNegativeOnesAreRefused() {
        byte[] all = {-1, -1, -1, -1, -1, -1, -1, -1};
        write(fairseq(8, 2, 4), all);
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.document(0)).containsExactly(65_535, 65_535, 65_535, 65_535);
        }
        write(fairseq(1, 1, 8), all);
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.document(0)).containsOnly(255);
        }
        for (int[] type : new int[][] {{2, 1}, {3, 2}, {4, 4}, {5, 8}}) {
            write(fairseq(type[0], type[1], 8 / type[1]), all);
            try (ShardReader reader = ShardReader.open(prefix())) {
                assertThatThrownBy(() -> reader.document(0))
                        .isInstanceOf(DataException.class)
                        .hasMessageContaining("negative or too large");
            }
        }
        write(fairseq(5, 8, 1), new byte[] {0, 0, 0, (byte) 0x80, 0, 0, 0, 0});
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThatThrownBy(() -> reader.copyTokens(0, new int[1], 0, 1)).isInstanceOf(DataException.class);
        }
    }

    @Test
    void entriesThatOverlapAreReadOneByOne() {
        ByteBuffer idx = buffer().put(MAGIC).putLong(1).put((byte) 1).putLong(2);
        idx.putInt(3).putInt(2).putLong(1).putLong(0);
        write(bytes(idx), ids(1, 5));
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.document(0)).containsExactly(2, 3, 4);
            assertThat(reader.document(1)).containsExactly(1, 2);
            assertThatThrownBy(() -> reader.copyTokens(0, new int[1], 0, 1))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("overlap or leave gaps");
        }
    }

    @Test
    void noDocumentsAtAllAreFine() {
        write(fairseq(8, 2), new byte[0]);
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.documents()).isZero();
            assertThat(reader.tokens()).isZero();
        }
    }

    @Test
    void readingOutOfRangeFails() {
        write(fairseq(8, 2, 2), ids(2, 2));
        ShardReader reader = ShardReader.open(prefix());
        assertThatThrownBy(() -> reader.document(1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> reader.document(-1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> reader.copyTokens(1, new int[4], 0, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> reader.copyTokens(0, new int[1], 0, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> reader.copyTokens(Long.MAX_VALUE, new int[1], 0, 1))
                .isInstanceOf(IndexOutOfBoundsException.class);
        reader.close();
        assertThatThrownBy(() -> reader.document(0)).isInstanceOf(IllegalStateException.class);
    }

    /** A change of the bytes of a good index at an offset, and words that the error has. */
    private record Damage(boolean megatron, int at, String hex, String words) {}

    @Test
    void hostileHeadersAreRefused() {
        byte[] f = fairseq(8, 2, 2, 3);
        byte[] m = megatron(8, 2, new int[] {2, 3}, 0, 1, 2);
        String huge = "ffffffffffffff7f";
        String minus = "ffffffffffffffff";
        List<Damage> all = List.of(
                new Damage(false, 0, "00", "MMIDIDX"),
                new Damage(false, 8, "01", "MMIDIDX"),
                new Damage(false, 9, "02", "version 2"),
                new Damage(false, 17, "06", "type 6"),
                new Damage(false, 17, "09", "type 9"),
                new Damage(false, 18, huge, "counts 9223372036854775807"),
                new Damage(false, 18, minus, "counts -1"),
                new Damage(false, 18, "01", "fit neither layout"),
                new Damage(false, 18, "03", "too few"),
                new Damage(false, 26, "ffffffff", "-1 ids"),
                new Damage(false, 26, "ffffff7f", "outside"),
                new Damage(false, 30, "02", "adds up to 4 ids"),
                new Damage(false, 34, minus, "outside"),
                new Damage(false, 42, huge, "outside"),
                new Damage(true, 26, "02", "fit neither"),
                new Damage(true, 26, minus, "fit neither"),
                new Damage(true, 26, "00000000000000" + "20", "fit neither"),
                new Damage(true, 58, "01", "begins its document index with 1"),
                new Damage(true, 66, "03", "has 3 after 0"),
                new Damage(true, 66, minus, "has -1 after 0"),
                new Damage(true, 74, "01", "ends its document index with 1"));
        for (Damage damage : all) {
            byte[] bad = (damage.megatron ? m : f).clone();
            byte[] change = HexFormat.of().parseHex(damage.hex);
            System.arraycopy(change, 0, bad, damage.at, change.length);
            write(bad, ids(2, 5));
            assertThatThrownBy(() -> ShardReader.open(prefix()))
                    .as("%s at %d", damage.hex, damage.at)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(damage.words)
                    .hasMessageContaining("x.idx");
        }
    }

    @Test
    void anyTruncationAndAnyRandomIndexIsRefusedOrRead() {
        byte[] f = fairseq(8, 2, 2, 3);
        byte[] m = megatron(8, 2, new int[] {2, 3}, 0, 1, 2);
        for (byte[] good : List.of(f, m)) {
            for (int length = 0; length < good.length; length++) {
                write(Arrays.copyOf(good, length), ids(2, 5));
                assertThatThrownBy(() -> ShardReader.open(prefix())).isInstanceOf(DataException.class);
            }
            write(Arrays.copyOf(good, good.length + 1), ids(2, 5));
            assertThatThrownBy(() -> ShardReader.open(prefix())).isInstanceOf(DataException.class);
            write(good, ids(2, 4));
            assertThatThrownBy(() -> ShardReader.open(prefix())).isInstanceOf(DataException.class);
            write(good, ids(2, 6));
            assertThatThrownBy(() -> ShardReader.open(prefix())).isInstanceOf(DataException.class);
        }
        Generator random = new Generator("anyTruncationAndAnyRandomIndexIsRefusedOrRead");
        int opened = 0;
        for (int i = 0; i < 3000; i++) {
            byte[] bad = (random.below(2) == 0 ? f : m).clone();
            for (int k = 0; k <= random.below(3); k++) {
                bad[17 + random.below(bad.length - 17)] = (byte) random.below(random.below(2) == 0 ? 4 : 256);
            }
            write(bad, ids(2, 5));
            try (ShardReader reader = ShardReader.open(prefix())) {
                opened++;
                for (long d = 0; d < reader.documents(); d++) {
                    assertThat(reader.documentLength(d)).isBetween(0, 10);
                    try {
                        reader.document(d);
                    } catch (DataException e) {
                        assertThat(e).hasMessageContaining("negative");
                    }
                }
            } catch (DataException e) {
                assertThat(e).hasMessageContaining("x.idx");
            }
        }
        assertThat(opened).isPositive();
    }

    @Test
    void missingFilesSayWhich() throws IOException {
        assertThatThrownBy(() -> ShardReader.open(prefix()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("x.idx: it does not exist");
        write(fairseq(8, 2, 1), ids(2, 1));
        Files.delete(folder.resolve("x.bin"));
        assertThatThrownBy(() -> ShardReader.open(prefix()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("x.bin: it does not exist");
    }

    @Test
    void randomDocumentsComeBack() {
        Generator random = new Generator("randomDocumentsComeBack");
        List<int[]> documents = new ArrayList<>();
        try (ShardWriter writer = new ShardWriter(prefix(), 50_257, ShardLayout.FAIRSEQ)) {
            for (int i = 0; i < 500; i++) {
                int[] ids = new int[random.below(2000)];
                Arrays.setAll(ids, _ -> random.below(50_257));
                int half = ids.length / 2;
                writer.append(ids, 0, half);
                writer.append(ids, half, ids.length - half);
                writer.endDocument();
                documents.add(ids);
            }
            writer.finish();
        }
        try (ShardReader reader = ShardReader.open(prefix())) {
            assertThat(reader.documents()).isEqualTo(500);
            long start = 0;
            for (int i = 0; i < 500; i++) {
                assertThat(reader.document(i)).isEqualTo(documents.get(i));
                assertThat(reader.documentStart(i)).isEqualTo(start);
                int[] slice = new int[documents.get(i).length];
                reader.copyTokens(start, slice, 0, slice.length);
                assertThat(slice).isEqualTo(documents.get(i));
                start += slice.length;
            }
            assertThat(reader.tokens()).isEqualTo(start);
        }
    }

    @Test
    void withoutTheIndexNothingIsReadable() {
        try (ShardWriter writer = new ShardWriter(prefix(), 10, ShardLayout.FAIRSEQ)) {
            writer.append(new int[] {1, 2}, 0, 2);
            writer.endDocument();
        }
        assertThatThrownBy(() -> ShardReader.open(prefix())).isInstanceOf(DataException.class);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aFullDiskIsAClearError() throws IOException {
        Files.createSymbolicLink(folder.resolve("x.bin"), Path.of("/dev/full"));
        try (ShardWriter writer = new ShardWriter(prefix(), 10, ShardLayout.FAIRSEQ)) {
            writer.append(new int[] {1}, 0, 1);
            writer.endDocument();
            assertThatThrownBy(writer::finish)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("x.bin")
                    .hasMessageContaining("No space left on device")
                    .hasMessageContaining("free some space");
        }
        assertThat(folder.resolve("x.idx")).doesNotExist();
    }
}
