package dev.moe4j.train.metrics;

import dev.moe4j.train.config.TrainException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Writes scalars to event files that <a href="https://www.tensorflow.org/tensorboard">TensorBoard</a> reads. A file is a
 * sequence of TFRecords: the payload's length as u64, the masked CRC-32C of these eight bytes, the payload, its masked
 * CRC-32C, all little-endian. A payload is a protobuf message {@code tensorflow.Event}. Few of its fields are needed, so
 * it is encoded by hand; the field numbers come from TensorFlow's {@code event.proto} and {@code summary.proto}.
 *
 * <p>Every start of a run writes one file, and TensorBoard reads a folder's files in the order of their names. Each file
 * begins with a {@code SessionLog.START} for the run's next step. TensorBoard then drops the older values of that step
 * and of later ones. Its Python loader does so only if the folder's first file begins this way too.
 *
 * <p>Each event is passed to the operating system before the call returns, so a killed process loses no events.
 */
public final class TensorBoard implements TrainingListener, AutoCloseable {

    /** The number is the start time in seconds, which puts the names in order. */
    private static final Pattern NAME = Pattern.compile("events\\.out\\.tfevents\\.(\\d{10})\\.moe4j");

    private static final String VERSION = "brain.Event:2";

    private final Path file;
    private final FileChannel channel;

    /** Creates a writer for an open file; see {@link #open}. */
    public TensorBoard(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Starts a new event file in a folder, which is created if missing.
     *
     * @param step the step of the checkpoint that the run resumes from, or 0 for a new run; TensorBoard drops the
     *     values of later steps
     * @throws TrainException if the file cannot be written
     */
    public static TensorBoard open(Path folder, long step) {
        try {
            Files.createDirectories(folder);
            OptionalLong last = lastStart(folder);
            // Later than every existing file, even if the clock was set back or two starts fall within a second.
            long start = Math.max(System.currentTimeMillis() / 1000, last.orElse(-1) + 1);
            Path file = folder.resolve("events.out.tfevents.%010d.moe4j".formatted(start));
            TensorBoard board = new TensorBoard(
                    file, FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
            board.begin(step);
            return board;
        } catch (IOException e) {
            throw TrainException.cannotWrite(folder, e);
        }
    }

    private static OptionalLong lastStart(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> NAME.matcher(file.getFileName().toString()))
                    .filter(Matcher::matches)
                    .mapToLong(name -> Long.parseLong(name.group(1)))
                    .max();
        }
    }

    private void begin(long step) {
        try {
            write(event(0).string(3, VERSION));
            Message start = new Message().number(1, 1);
            write(event(step + 1).message(7, start));
        } catch (TrainException e) {
            close();
            throw e;
        }
    }

    /**
     * Adds a report's numbers, which TensorBoard shows in the sections train, eval, experts and time.
     *
     * @throws TrainException if the file cannot be written
     */
    @Override
    public void onReport(TrainingReport report) {
        Map<String, Double> scalars = new LinkedHashMap<>();
        MetricFields.of(report)
                .forEach((section, fields) -> fields.properties().stream()
                        .filter(field -> field.getValue().isNumber())
                        .forEach(field -> scalars.put(
                                section + "/" + field.getKey(), field.getValue().asDouble())));
        write(report.progress().result().step(), scalars);
    }

    /**
     * Adds a step's scalars, which TensorBoard stores as float32.
     *
     * @param scalars values by tag; TensorBoard groups tags by their part before the slash
     * @throws TrainException if the file cannot be written
     */
    void write(long step, Map<String, Double> scalars) {
        Message summary = new Message();
        scalars.forEach(
                (tag, value) -> summary.message(1, new Message().string(1, tag).single(2, value.floatValue())));
        write(event(step).message(5, summary));
    }

    /** An event with the current time. */
    private static Message event(long step) {
        return new Message().real(1, System.currentTimeMillis() / 1000.0).number(2, step);
    }

    private void write(Message event) {
        byte[] payload = event.bytes();
        ByteBuffer record = ByteBuffer.allocate(Long.BYTES + Integer.BYTES + payload.length + Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(payload.length);
        record.putInt(maskedChecksum(record.array(), 0, Long.BYTES)).put(payload);
        record.putInt(maskedChecksum(payload, 0, payload.length)).flip();
        try {
            while (record.hasRemaining()) {
                int _ = channel.write(record);
            }
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }

    /** The TFRecord checksum: a CRC-32C, rotated and shifted, since a plain CRC is weak for data that contains CRCs. */
    private static int maskedChecksum(byte[] bytes, int from, int length) {
        CRC32C checksum = new CRC32C();
        checksum.update(bytes, from, length);
        return Integer.rotateRight((int) checksum.getValue(), 15) + 0xa282ead8;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }

    /** Builds a protobuf message; each call adds one field. */
    private static final class Message {

        private static final int VARINT = 0;
        private static final int FIXED64 = 1;
        private static final int DELIMITED = 2;
        private static final int FIXED32 = 5;

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message number(int field, long value) {
            key(field, VARINT);
            varint(value);
            return this;
        }

        Message real(int field, double value) {
            key(field, FIXED64);
            littleEndian(Double.doubleToLongBits(value), Double.BYTES);
            return this;
        }

        Message single(int field, float value) {
            key(field, FIXED32);
            littleEndian(Float.floatToIntBits(value), Float.BYTES);
            return this;
        }

        Message string(int field, String value) {
            return delimited(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message message(int field, Message value) {
            return delimited(field, value.bytes());
        }

        byte[] bytes() {
            return bytes.toByteArray();
        }

        private Message delimited(int field, byte[] value) {
            key(field, DELIMITED);
            varint(value.length);
            bytes.writeBytes(value);
            return this;
        }

        private void key(int field, int wireType) {
            varint(((long) field << 3) | wireType);
        }

        private void varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                bytes.write((int) ((rest & 0x7f) | 0x80));
                rest >>>= 7;
            }
            bytes.write((int) rest);
        }

        private void littleEndian(long bits, int count) {
            for (int i = 0; i < count; i++) {
                bytes.write((int) (bits >>> (8 * i)));
            }
        }
    }
}
