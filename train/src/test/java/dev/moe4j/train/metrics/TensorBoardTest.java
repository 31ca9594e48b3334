package dev.moe4j.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.moe4j.train.config.TrainException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Reads event files with Google's protobuf library and an independent CRC. */
class TensorBoardTest {

    @TempDir
    private Path folder;

    @Test
    void scalarsAreRead() throws IOException {
        double before = System.currentTimeMillis() / 1000.0;
        Map<String, Double> first = new LinkedHashMap<>();
        first.put("train/loss", 5.546875);
        first.put("validation/in-domain über", Double.NaN);
        try (TensorBoard board = TensorBoard.open(folder.resolve("new"), 0)) {
            board.write(1, first);
            board.write(3_000_000_000L, Map.of("lr", 0.0009765625));
            board.write(3_000_000_001L, Map.of());
        }
        double after = System.currentTimeMillis() / 1000.0;

        List<DynamicMessage> events = events(files(folder.resolve("new")).getFirst());
        assertThat(events).hasSize(5);
        assertThat(events)
                .allSatisfy(
                        event -> assertThat((double) value(event, "wall_time")).isBetween(before, after))
                .allSatisfy(
                        event -> assertThat(event.getUnknownFields().asMap()).isEmpty());
        assertThat(value(events.getFirst(), "file_version")).isEqualTo("brain.Event:2");
        assertThat(value(events.get(2), "step")).isEqualTo(1L);
        assertThat(scalars(events.get(2)))
                .containsExactly(Map.entry("train/loss", 5.546875f), Map.entry("validation/in-domain über", Float.NaN));
        assertThat(value(events.get(3), "step")).isEqualTo(3_000_000_000L);
        assertThat(scalars(events.get(3))).containsExactly(Map.entry("lr", 0.0009765625f));
        assertThat(scalars(events.get(4))).isEmpty();
    }

    /** The file on the disk is complete while it is open, and later starts leave it unchanged. */
    @Test
    void aResumedRunDropsWhatIsWrittenAgain() throws IOException {
        try (TensorBoard board = TensorBoard.open(folder, 0)) {
            board.write(1, Map.of("loss", 5.0));
            board.write(2, Map.of("loss", 4.0));
            assertThat(events(files(folder).getFirst())).hasSize(4);
        }
        // Within the same second.
        try (TensorBoard board = TensorBoard.open(folder, 1)) {
            board.write(2, Map.of("loss", 4.0));
        }
        try (TensorBoard board = TensorBoard.open(folder, 0)) {
            board.write(1, Map.of("loss", 5.5));
        }

        List<Path> files = files(folder);
        assertThat(files).hasSize(3);
        long[] firstSteps = {1, 2, 1};
        for (int i = 0; i < firstSteps.length; i++) {
            List<DynamicMessage> events = events(files.get(i));
            assertThat(value(events.getFirst(), "file_version")).isEqualTo("brain.Event:2");
            // TensorBoard drops the values of this step and later ones.
            assertThat(value(events.get(1), "step")).isEqualTo(firstSteps[i]);
            DynamicMessage log = (DynamicMessage) value(events.get(1), "session_log");
            assertThat(value(log, "status")).isEqualTo(1);
            assertThat(value(events.get(2), "step")).isEqualTo(firstSteps[i]);
        }
    }

    /** If the clock was set back, a later start still sorts after an earlier one. */
    @Test
    void laterStartsHaveLaterNames() throws IOException {
        Files.writeString(folder.resolve("events.out.tfevents.4102444800.moe4j"), "");
        Files.writeString(folder.resolve("notes.txt"), "");
        TensorBoard.open(folder, 7).close();

        assertThat(files(folder).getLast().getFileName()).hasToString("events.out.tfevents.4102444801.moe4j");
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aFullDiskIsOneLine() throws IOException {
        Path full = Path.of("/dev/full");
        try (TensorBoard board = new TensorBoard(full, FileChannel.open(full, StandardOpenOption.WRITE))) {
            assertThatThrownBy(() -> board.write(1, Map.of("loss", 1.0)))
                    .isInstanceOf(TrainException.class)
                    .hasMessage("cannot write /dev/full: No space left on device; check the disk and its free space,"
                            + " then resume the run");
        }
    }

    @Test
    void aFolderThatIsAFileIsNamed() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertThatThrownBy(() -> TensorBoard.open(file, 0))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("cannot write " + file);
    }

    /** Checks the decoder's CRC with the test value of the iSCSI RFC. */
    @Test
    void theDecodersChecksumIsCastagnolis() {
        assertThat(checksum("123456789".getBytes(StandardCharsets.US_ASCII))).isEqualTo(0xe3069283);
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().contains("tfevents"))
                    .sorted()
                    .toList();
        }
    }

    private static List<DynamicMessage> events(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<DynamicMessage> events = new ArrayList<>();
        while (bytes.hasRemaining()) {
            byte[] head = new byte[8];
            bytes.get(head);
            assertThat(bytes.getInt()).isEqualTo(masked(checksum(head)));
            byte[] payload = new byte[Math.toIntExact(bytes.getLong(bytes.position() - 12))];
            bytes.get(payload);
            assertThat(bytes.getInt()).isEqualTo(masked(checksum(payload)));
            events.add(decode(payload));
        }
        return events;
    }

    private static DynamicMessage decode(byte[] payload) throws InvalidProtocolBufferException {
        return DynamicMessage.parseFrom(EVENT, payload);
    }

    private static int masked(int checksum) {
        return ((checksum >>> 15) | (checksum << 17)) + 0xa282ead8;
    }

    /** CRC-32C bit by bit. */
    private static int checksum(byte[] bytes) {
        int crc = -1;
        for (byte b : bytes) {
            crc ^= b & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >>> 1) ^ ((crc & 1) == 0 ? 0 : 0x82f63b78);
            }
        }
        return ~crc;
    }

    private static boolean has(DynamicMessage message, String field) {
        return message.hasField(message.getDescriptorForType().findFieldByName(field));
    }

    private static Object value(DynamicMessage message, String field) {
        assertThat(has(message, field)).as(field).isTrue();
        return message.getField(message.getDescriptorForType().findFieldByName(field));
    }

    private static Map<String, Float> scalars(DynamicMessage event) {
        DynamicMessage summary = (DynamicMessage) value(event, "summary");
        assertThat(summary.getUnknownFields().asMap()).isEmpty();
        Map<String, Float> scalars = new LinkedHashMap<>();
        for (Object entry :
                (List<?>) summary.getField(summary.getDescriptorForType().findFieldByName("value"))) {
            DynamicMessage scalar = (DynamicMessage) entry;
            assertThat(scalar.getUnknownFields().asMap()).isEmpty();
            scalars.put((String) value(scalar, "tag"), (Float) value(scalar, "simple_value"));
        }
        return scalars;
    }

    private static final Descriptor EVENT = descriptor();

    /** The parts of TensorFlow's event.proto and summary.proto that scalars need. */
    private static Descriptor descriptor() {
        FileDescriptorProto file = FileDescriptorProto.newBuilder()
                .setName("event.proto")
                .setPackage("tensorflow")
                .setSyntax("proto2")
                .addMessageType(DescriptorProto.newBuilder()
                        .setName("Event")
                        .addField(field("wall_time", 1, FieldDescriptorProto.Type.TYPE_DOUBLE))
                        .addField(field("step", 2, FieldDescriptorProto.Type.TYPE_INT64))
                        .addField(field("file_version", 3, FieldDescriptorProto.Type.TYPE_STRING))
                        .addField(field("summary", 5, FieldDescriptorProto.Type.TYPE_MESSAGE)
                                .setTypeName(".tensorflow.Summary"))
                        .addField(field("session_log", 7, FieldDescriptorProto.Type.TYPE_MESSAGE)
                                .setTypeName(".tensorflow.SessionLog")))
                .addMessageType(DescriptorProto.newBuilder()
                        .setName("Summary")
                        .addField(field("value", 1, FieldDescriptorProto.Type.TYPE_MESSAGE)
                                .setTypeName(".tensorflow.Value")
                                .setLabel(FieldDescriptorProto.Label.LABEL_REPEATED)))
                .addMessageType(DescriptorProto.newBuilder()
                        .setName("Value")
                        .addField(field("tag", 1, FieldDescriptorProto.Type.TYPE_STRING))
                        .addField(field("simple_value", 2, FieldDescriptorProto.Type.TYPE_FLOAT)))
                .addMessageType(DescriptorProto.newBuilder()
                        .setName("SessionLog")
                        .addField(field("status", 1, FieldDescriptorProto.Type.TYPE_INT32)))
                .build();
        try {
            return FileDescriptor.buildFrom(file, new FileDescriptor[0]).findMessageTypeByName("Event");
        } catch (DescriptorValidationException e) {
            throw new AssertionError(e);
        }
    }

    private static FieldDescriptorProto.Builder field(String name, int number, FieldDescriptorProto.Type type) {
        return FieldDescriptorProto.newBuilder()
                .setName(name)
                .setNumber(number)
                .setType(type)
                .setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL);
    }
}
