package dev.moe4j.formats.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.formats.FormatException;
import dev.moe4j.formats.safetensors.SafetensorsFile.Entry;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Reading and writing safetensors files: valid files are read back equal, and errors name the fault. */
class SafetensorsTest {

    @TempDir
    Path folder;

    // ---- reading ----

    @Test
    void readsWhatTheFormatDescribes() {
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"b\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[8,12]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                + "\"none\":{\"dtype\":\"BF16\",\"shape\":[3,0],\"data_offsets\":[8,8]}}   ";
        ByteBuffer data = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        data.putFloat(1.5f).putFloat(-2).putInt(7);
        try (SafetensorsFile file = SafetensorsFile.open(file(header, data.array()))) {
            assertThat(file.names()).containsExactly("a", "none", "b");
            assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
            Entry a = file.entry("a");
            assertThat(a.type()).isEqualTo(SafetensorsFile.Type.F32);
            assertThat(a.shape()).containsExactly(1, 2);
            assertThat(a.elements()).isEqualTo(2);
            assertThat(a.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED)).containsExactly(1.5f, -2);
            assertThat(file.entry("b").shape()).isEmpty();
            assertThat(file.entry("b").data().get(ValueLayout.JAVA_INT_UNALIGNED, 0))
                    .isEqualTo(7);
            assertThat(file.entry("none").data().byteSize()).isZero();
            assertThat(a.data().isReadOnly()).isTrue();
        }
    }

    @Test
    void readsAHeaderWithoutTensors() {
        try (SafetensorsFile file = SafetensorsFile.open(file("{}", new byte[0]))) {
            assertThat(file.names()).isEmpty();
        }
    }

    @Test
    void namesTheNearestOfAMissingTensor() {
        String header = "{\"model.layers.0.fc1.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                + "\"model.layers.0.fc2.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}";
        try (SafetensorsFile file = SafetensorsFile.open(file(header, new byte[2]))) {
            assertThatThrownBy(() -> file.entry("model.layer.0.fc2.weight"))
                    .isInstanceOf(FormatException.class)
                    .hasMessageContaining("has no tensor model.layer.0.fc2.weight; the nearest it has: "
                            + "model.layers.0.fc2.weight, model.layers.0.fc1.weight");
            assertThatThrownBy(() -> file.entry("x")).hasMessageContaining("it holds 2 others");
        }
    }

    @Test
    void segmentsDieWithTheFile() {
        SafetensorsFile file = SafetensorsFile.open(
                file("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", new byte[1]));
        MemorySegment data = file.entry("a").data();
        file.close();
        file.close();
        assertThatThrownBy(() -> data.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void namesWhatCannotBeOpened() {
        assertThatThrownBy(() -> SafetensorsFile.open(folder.resolve("none")))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("none does not exist");
        assertThatThrownBy(() -> SafetensorsFile.open(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(folder.toString());
    }

    static Stream<Arguments> damagedHeaders() {
        return Stream.of(
                Arguments.of("[]", "does not begin with {"),
                Arguments.of("", "does not begin with {"),
                Arguments.of(" {}", "does not begin with {"),
                Arguments.of("{", "not valid JSON"),
                Arguments.of("{} {}", "trailing data"),
                Arguments.of("{}x", "not valid JSON"),
                Arguments.of("{\"a\":1}", "tensor a should be an object and is a whole number"),
                Arguments.of("{\"a\":{}}", "tensor a lacks its dtype"),
                Arguments.of("{\"a\":{\"dtype\":\"U8\"}}", "tensor a lacks its shape"),
                Arguments.of("{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", "tensor a lacks its data_offsets"),
                Arguments.of(tensor("F8_E4M3", "[4]", "[0,4]"), "tensor a has the dtype F8_E4M3"),
                Arguments.of(tensor("U8", "[4]", "[0]"), "1 data_offsets instead of two"),
                Arguments.of(tensor("U8", "[4]", "[0,4,4]"), "3 data_offsets instead of two"),
                Arguments.of(tensor("U8", "[-4]", "[0,4]"), "the shape of tensor a has the negative number -4"),
                Arguments.of(tensor("U8", "[4.0]", "[0,4]"), "should be a whole number and is a fraction"),
                Arguments.of(tensor("U8", "[\"4\"]", "[0,4]"), "should be a whole number and is a text"),
                Arguments.of(tensor("U8", "4", "[0,4]"), "should be a list and is a whole number"),
                Arguments.of(tensor("U8", "[4]", "[-4,0]"), "the data_offsets of tensor a has the negative number -4"),
                Arguments.of(tensor("U8", "[4]", "[4,0]"), "ends at 0 before its begin at 4"),
                Arguments.of(tensor("U8", "[3]", "[0,4]"), "has 4 bytes, but U8 [3] takes 3"),
                Arguments.of(tensor("F32", "[4]", "[0,4]"), "has 4 bytes, but F32 [4] takes 16"),
                Arguments.of(tensor("U8", "[8]", "[0,8]"), "of which 4 are there; the file may be cut short"),
                Arguments.of(tensor("U8", "[2]", "[0,2]"), "the last 2 bytes belong to no tensor"),
                Arguments.of(tensor("U8", "[2]", "[2,4]"), "bytes 0 to 2 of the data, before tensor a"),
                Arguments.of(tensor("F32", "[4294967296,4294967296]", "[0,4]"), "impossible shape"),
                Arguments.of(tensor("F64", "[2305843009213693952]", "[0,4]"), "impossible shape"),
                Arguments.of(tensor("U8", "[9223372036854775808]", "[0,4]"), "beyond 64 bits"),
                Arguments.of(tensor("U8", "[9223372036854775807]", "[0,9223372036854775807]"), "of which 4 are there"),
                Arguments.of(tensor("U8", "[1]", "[9223372036854775806,9223372036854775807]"), "of which 4 are there"),
                Arguments.of(
                        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                + "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
                        "tensor b overlaps the one before it"),
                Arguments.of(
                        "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                                + "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
                        "Duplicate"),
                Arguments.of("{\"__metadata__\":{\"a\":1}}", "__metadata__.a should be a text"),
                Arguments.of("{\"__metadata__\":\"a\"}", "__metadata__ should be an object"),
                Arguments.of("{\"a\":" + "[".repeat(1000), "tensor a should be an object"),
                Arguments.of("{\"a\":{\"b\":" + "[".repeat(1000) + "]".repeat(1000) + "}}", "not valid JSON"));
    }

    private static String tensor(String type, String shape, String offsets) {
        return "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
    }

    @ParameterizedTest
    @MethodSource("damagedHeaders")
    void namesWhatIsWrongInAHeader(String header, String message) {
        assertThatThrownBy(() -> SafetensorsFile.open(file(header, new byte[4])))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(message)
                .hasMessageContaining(folder.toString())
                .hasMessageNotContaining("\n");
    }

    @Test
    void refusesLengthsBeyondTheFile() throws IOException {
        assertDamaged(new byte[0], "0 bytes, too few");
        assertDamaged(new byte[7], "7 bytes, too few");
        assertDamaged(longAnd(1, new byte[0]), "claims 1 bytes, but only 0 follow");
        assertDamaged(longAnd(100_000_000, new byte[100]), "claims 100000000 bytes, but only 100 follow");
        assertDamaged(longAnd(100_000_001, new byte[100]), "more than the 100000000");
        assertDamaged(longAnd(-1, new byte[100]), "claims 18446744073709551615 bytes");
        assertDamaged(longAnd(4, new byte[] {'{', (byte) 0xff, (byte) 0xff, '}'}), "not UTF-8");
    }

    private void assertDamaged(byte[] content, String message) throws IOException {
        Path file = Files.write(folder.resolve("damaged"), content);
        assertThatThrownBy(() -> SafetensorsFile.open(file))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(message);
    }

    /** A file with a damaged byte is either valid or a FormatException. All readable data is within the file's bounds. */
    @Test
    void survivesDamage() throws IOException {
        long seed = Long.getLong("test.seed", System.nanoTime());
        System.out.println("SafetensorsTest.survivesDamage: -Dtest.seed=" + seed);
        Random random = new Random(seed);
        byte[] whole = Files.readAllBytes(written(folder.resolve("whole")));
        int headerEnd = Math.toIntExact(
                8 + ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getLong());
        Path file = folder.resolve("damaged");
        byte[] alphabet = "{}[]\",:0123456789-eE. \u0000\\nullFIBU".getBytes(StandardCharsets.ISO_8859_1);
        int valid = 0;
        for (int round = 0; round < 4000; round++) {
            byte[] content = whole.clone();
            for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
                int at = random.nextInt(random.nextInt(4) == 0 ? 8 : headerEnd);
                switch (random.nextInt(3)) {
                    case 0 -> content[at] = (byte) random.nextInt(256);
                    case 1 -> content[at] = alphabet[random.nextInt(alphabet.length)];
                    default -> content[at] ^= (byte) (1 << random.nextInt(8));
                }
            }
            if (random.nextInt(8) == 0) {
                content = Arrays.copyOf(content, random.nextInt(content.length + 16));
            }
            Files.write(file, content);
            try (SafetensorsFile damaged = SafetensorsFile.open(file)) {
                valid++;
                for (String name : damaged.names()) {
                    Entry entry = damaged.entry(name);
                    entry.data().toArray(ValueLayout.JAVA_BYTE);
                    assertThat(SafetensorsFile.byteSize(entry.type(), entry.shape()))
                            .isEqualTo(entry.data().byteSize());
                }
            } catch (FormatException e) {
                assertThat(e).hasMessageContaining(file.toString()).hasMessageNotContaining("\n");
            }
        }
        assertThat(valid).isPositive().isLessThan(4000);
    }

    // ---- writing ----

    @Test
    void writesWhatIsReadBack() throws IOException {
        long seed = Long.getLong("test.seed", System.nanoTime());
        System.out.println("SafetensorsTest.writesWhatIsReadBack: -Dtest.seed=" + seed);
        Random random = new Random(seed);
        List<SafetensorsFile.Type> known = List.of(SafetensorsFile.Type.values());
        for (int round = 0; round < 20; round++) {
            Path path = folder.resolve("round" + round);
            int count = random.nextInt(6);
            Map<String, String> metadata = random.nextBoolean() ? Map.of() : Map.of("format", "pt", "ü\"", "\\\n");
            byte[][] data = new byte[count][];
            long[][] shapes = new long[count][];
            SafetensorsFile.Type[] types = new SafetensorsFile.Type[count];
            String sha256;
            try (SafetensorsWriter writer = new SafetensorsWriter(path, metadata)) {
                for (int i = 0; i < count; i++) {
                    types[i] = known.get(random.nextInt(known.size()));
                    shapes[i] = random.longs(random.nextInt(4), 0, 30).toArray();
                    data[i] = new byte[Math.toIntExact(SafetensorsFile.byteSize(types[i], shapes[i]))];
                    random.nextBytes(data[i]);
                    writer.declare("tensor \"" + i, types[i], shapes[i]);
                }
                for (int i = 0; i < count; i++) {
                    for (int at = 0; at < data[i].length; ) {
                        int piece = 1 + random.nextInt(data[i].length - at);
                        writer.write(
                                "tensor \"" + i, MemorySegment.ofArray(data[i]).asSlice(at, piece));
                        at += piece;
                    }
                }
                sha256 = writer.commit();
            }
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                assertThat(file.metadata()).isEqualTo(metadata);
                assertThat(file.names()).hasSize(count);
                for (int i = 0; i < count; i++) {
                    Entry entry = file.entry("tensor \"" + i);
                    assertThat(entry.type()).isEqualTo(types[i]);
                    assertThat(entry.shape()).isEqualTo(shapes[i]);
                    assertThat(entry.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(data[i]);
                }
                assertThat(file.sha256()).isEqualTo(sha256).isEqualTo(sha256(Files.readAllBytes(path)));
            }
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
            assertThat(bytes.getLong(0) % 8).isZero();
        }
        assertNoTemporaries();
    }

    /** The bytes that the reference library writes for the same tensors. */
    @Test
    void writesTheReferenceBytes() throws IOException {
        Path path = written(folder.resolve("reference"));
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"first\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                + "\"second\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}";
        byte[] data = new byte[19];
        ByteBuffer.wrap(data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(1)
                .putFloat(2)
                .putFloat(3)
                .putFloat(4);
        data[17] = 1;
        data[18] = 2;
        String padded = header + " ".repeat(Math.floorMod(-header.length(), 8));
        assertThat(Files.readAllBytes(path)).isEqualTo(content(padded, data));
    }

    private Path written(Path path) {
        try (SafetensorsWriter writer = new SafetensorsWriter(path, Map.of("format", "pt"))) {
            writer.declare("first", SafetensorsFile.Type.F32, 2, 2);
            writer.declare("second", SafetensorsFile.Type.U8, 3);
            writer.write("first", MemorySegment.ofArray(new float[] {1, 2, 3, 4}));
            writer.write("second", MemorySegment.ofArray(new byte[] {0, 1, 2}));
            writer.commit();
        }
        return path;
    }

    @Test
    void anOlderFileStaysUntilTheCommit() throws IOException {
        Path path = Files.writeString(folder.resolve("target"), "older");
        try (SafetensorsWriter writer = new SafetensorsWriter(path, Map.of())) {
            writer.declare("a", SafetensorsFile.Type.U8, 4);
            writer.write("a", MemorySegment.ofArray(new byte[2]));
            assertThatThrownBy(writer::commit)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("2 bytes of a were never written");
        }
        assertThat(path).hasContent("older");
        assertNoTemporaries();
        written(path);
        SafetensorsFile.open(path).close();
        assertNoTemporaries();
    }

    @Test
    void refusesDataThatWasNotDeclared() {
        try (SafetensorsWriter writer = new SafetensorsWriter(folder.resolve("target"), Map.of())) {
            writer.declare("a", SafetensorsFile.Type.U8, 4);
            writer.declare("b", SafetensorsFile.Type.U8, 4);
            assertThatThrownBy(() -> writer.declare("a", SafetensorsFile.Type.U8, 4))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.declare("c", SafetensorsFile.Type.F64, Long.MAX_VALUE))
                    .hasMessageContaining("impossible shape");
            assertThatThrownBy(() -> writer.declare("__metadata__", SafetensorsFile.Type.U8, 4))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.write("b", MemorySegment.ofArray(new byte[4])))
                    .hasMessageContaining("data of b came where a was due");
            assertThatThrownBy(() -> writer.write("a", MemorySegment.ofArray(new byte[5])))
                    .hasMessageContaining("5 bytes for a, which takes only 4 more");
            assertThatThrownBy(() -> writer.declare("c", SafetensorsFile.Type.U8, 4))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void saysBeforeWritingThatTheDiskIsTooSmall() throws IOException {
        Path path = folder.resolve("target");
        try (SafetensorsWriter writer = new SafetensorsWriter(path, Map.of())) {
            writer.declare("a", SafetensorsFile.Type.U8, 1L << 60);
            assertThatThrownBy(() -> writer.write("a", MemorySegment.ofArray(new byte[1])))
                    .isInstanceOf(FormatException.class)
                    .hasMessageContaining("no space left on the device")
                    .hasMessageContaining("bytes needed");
        }
        assertThat(path).doesNotExist();
        assertNoTemporaries();
    }

    @Test
    void leavesNothingBehindOnAFullDisk() throws IOException {
        Path path = folder.resolve("target");
        try (SafetensorsWriter writer = new SafetensorsWriter(path, Map.of(), FullDisk::new)) {
            writer.declare("a", SafetensorsFile.Type.U8, 5_000_000);
            assertThatThrownBy(() -> writer.write("a", MemorySegment.ofArray(new byte[5_000_000])))
                    .isInstanceOf(FormatException.class)
                    .hasMessageContaining("no space left on the device")
                    .hasMessageContaining("choose another folder");
        }
        assertThat(path).doesNotExist();
        assertNoTemporaries();
    }

    /** A full disk: accepts three megabytes. */
    private static final class FullDisk implements WritableByteChannel {
        private final WritableByteChannel disk;
        private long left = 3_000_000;

        FullDisk(WritableByteChannel disk) {
            this.disk = disk;
        }

        @Override
        public int write(ByteBuffer bytes) throws IOException {
            left -= bytes.remaining();
            if (left < 0) {
                throw new IOException("No space left on device");
            }
            return disk.write(bytes);
        }

        @Override
        public boolean isOpen() {
            return disk.isOpen();
        }

        @Override
        public void close() throws IOException {
            disk.close();
        }
    }

    @Test
    void namesAFolderThatIsNotThere() {
        assertThatThrownBy(() -> new SafetensorsWriter(folder.resolve("no/target"), Map.of()))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("no does not exist");
    }

    private void assertNoTemporaries() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> temporaries =
                    files.filter(file -> file.toString().endsWith(".tmp")).toList();
            assertThat(temporaries).isEmpty();
        }
    }

    private Path file(String header, byte[] data) {
        try {
            return Files.write(folder.resolve("file.safetensors"), content(header, data));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static byte[] content(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(data)
                .array();
    }

    private static byte[] longAnd(long length, byte[] rest) {
        return ByteBuffer.allocate(8 + rest.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(rest)
                .array();
    }

    private static String sha256(byte[] bytes) {
        MessageDigest digest = Sha256.digest();
        return HexFormat.of().formatHex(digest.digest(bytes));
    }
}
