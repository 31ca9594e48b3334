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
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Writes scalars to event files that <a href="https://www.tensorflow.org/tensorboard">TensorBoard</a> reads. The files
 * are sequences of TFRecords: the payload's length as u64, the masked CRC-32C of these eight bytes, the payload, its
 * masked CRC-32C, all little-endian. A payload is a protobuf message {@code tensorflow.Event}, of which this needs so
 * little that it is encoded by hand; the field numbers are those of TensorFlow's {@code event.proto} and {@code
 * summary.proto}.
 *
 * <p>Every start of a run writes one file, and TensorBoard reads a folder's files in the order of their names. Each file
 * begins with a {@code SessionLog.START} of the step that the run makes next. TensorBoard then drops the older values of
 * that step and later ones. Its loader in Python does so only if the folder's first file begins in this way too.
 *
 * <p>Each event is in the system's hands when its call returns, so that a killed process loses none.
 */
public final class TensorBoard implements AutoCloseable {

    /** The number is the time of the start in seconds, which orders the names. */
    private static final Pattern NAME = Pattern.compile("events\\.out\\.tfevents\\.(\\d{10})\\.moe4j");

    private static final String VERSION = "brain.Event:2";

    private final Path file;
    private final FileChannel channel;

    /** Writes to an open file; see {@link #open}. */
    public TensorBoard(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Begins a file in the folder, which is created where it is missing.
     *
     * @param step that of the checkpoint that a run goes on from: what was written for later steps counts no more; 0
     *     where the run begins
     * @throws TrainException if the file cannot be written
     */
    static TensorBoard open(Path folder, long step) {
        try {
            Files.createDirectories(folder);
            OptionalLong last = lastStart(folder);
            // Later than every other even where the clock was set back, or two starts are within a second.
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
     * Adds a step's scalars, which TensorBoard keeps as float32.
     *
     * @param scalars by tag; TensorBoard puts tags that are equal up to a slash into one section
     * @throws TrainException if the file cannot be written
     */
    void write(long step, Map<String, Double> scalars) {
        Message summary = new Message();
        scalars.forEach(
                (tag, value) -> summary.message(1, new Message().string(1, tag).single(2, value.floatValue())));
        write(event(step).message(5, summary));
    }

    /** An event of now. */
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

    /** Of data that may hold checksums itself, TFRecord says, a plain CRC is a poor one; so it is rotated and shifted. */
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

    /** A protobuf message in the making; each call adds a field of that number. */
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
