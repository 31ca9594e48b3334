package dev.moe4j.data.shard;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;

/**
 * Writes a pair of {@code .bin} and {@code .idx} files (docs/data-format.md). {@link #finish} writes the index, without
 * which the pair is not readable. The writer keeps four bytes per document in memory. Not safe for concurrent use.
 */
public final class ShardWriter implements AutoCloseable {
    static final byte[] MAGIC = {'M', 'M', 'I', 'D', 'I', 'D', 'X', 0, 0};
    static final int HEADER = 26;
    private static final String ADVICE = "free some space there or choose another output folder";

    private final Path bin;
    private final Path idx;
    private final IdType type;
    private final int vocabularySize;
    private final ShardLayout layout;
    private final Output ids;
    private final IntList lengths = new IntList(1024);
    private long tokens;
    private long open;

    /**
     * Starts to write a pair. Existing files with the same names are overwritten.
     *
     * @param prefix the path without {@code .bin} and {@code .idx}
     * @param vocabularySize the size of the vocabulary, which bounds ids and determines their type
     * @param layout the layout of the index
     * @throws DataException if the file cannot be written
     */
    public ShardWriter(Path prefix, int vocabularySize, ShardLayout layout) {
        this.layout = layout;
        this.bin = sibling(prefix, ".bin");
        this.idx = sibling(prefix, ".idx");
        this.type = IdType.forVocabulary(vocabularySize);
        this.vocabularySize = vocabularySize;
        this.ids = new Output(bin);
    }

    static Path sibling(Path prefix, String suffix) {
        return prefix.resolveSibling(prefix.getFileName() + suffix);
    }

    /**
     * Appends ids to the current document.
     *
     * @throws DataException if an id is outside the vocabulary, or the disk is full
     */
    public void append(int[] document, int from, int count) {
        byte[] packed = new byte[Math.multiplyExact(count, type.width)];
        type.pack(document, from, count, vocabularySize, packed);
        append(packed, 0, count);
    }

    /**
     * Appends ids from the output of {@link IdType#pack} to the current document.
     *
     * @param from the index of the first id in {@code packed}, counted in ids
     * @param count the number of ids
     * @throws DataException if the disk is full
     */
    public void append(byte[] packed, int from, int count) {
        ids.write(packed, from * type.width, count * type.width);
        open += count;
        tokens += count;
    }

    /**
     * Ends the current document, which may be empty.
     *
     * @throws DataException if the document has more than 2,147,483,647 tokens
     */
    public void endDocument() {
        if (open > Integer.MAX_VALUE) {
            throw new DataException(
                    "a document has " + open + " tokens, more than the index can hold, in " + bin + "; split it up");
        }
        lengths.accept((int) open);
        open = 0;
    }

    /** Returns the number of completed documents. */
    public long documents() {
        return lengths.size();
    }

    /** Returns the number of tokens written. */
    public long tokens() {
        return tokens;
    }

    /**
     * Writes the index and forces both files to the disk.
     *
     * @return the names, sizes and checksums of both files
     * @throws DataException if the disk is full
     * @throws IllegalStateException if the current document was not ended
     */
    public Written finish() {
        if (open != 0) {
            throw new IllegalStateException("a document is open");
        }
        Manifest.Stored binary = ids.finish();
        try (Output index = new Output(idx)) {
            int n = lengths.size();
            ByteBuffer head = ByteBuffer.allocate(HEADER + 8).order(ByteOrder.LITTLE_ENDIAN);
            head.put(MAGIC).putLong(1).put(type.code).putLong(n);
            if (layout == ShardLayout.MEGATRON) {
                head.putLong(n + 1L);
            }
            index.write(head.array(), 0, head.position());
            ByteBuffer number = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < n; i++) {
                index.write(number.putInt(0, lengths.get(i)).array(), 0, 4);
            }
            long pointer = 0;
            for (int i = 0; i < n; i++) {
                index.write(number.putLong(0, pointer).array(), 0, 8);
                pointer += (long) lengths.get(i) * type.width;
            }
            if (layout == ShardLayout.MEGATRON) {
                for (long i = 0; i <= n; i++) { // each document is one sequence
                    index.write(number.putLong(0, i).array(), 0, 8);
                }
            }
            return new Written(binary, index.finish());
        }
    }

    /** Closes the files. A pair that was not finished is not readable. */
    @Override
    public void close() {
        ids.close();
    }

    /** The two files of a finished pair. */
    public record Written(Manifest.Stored bin, Manifest.Stored idx) {}

    /** A buffered output file that computes its size and checksum. */
    private static final class Output implements AutoCloseable {
        private final Path file;
        private final FileChannel channel;
        private final MessageDigest digest = Sha256.digest();
        private final ByteBuffer buffer = ByteBuffer.allocate(1 << 18);
        private long bytes;

        Output(Path file) {
            this.file = file;
            try {
                channel = FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw DataException.of("cannot write " + file, e, ADVICE);
            }
        }

        void write(byte[] source, int from, int count) {
            int at = from;
            int left = count;
            while (left > 0) {
                int n = Math.min(left, buffer.remaining());
                buffer.put(source, at, n);
                at += n;
                left -= n;
                if (!buffer.hasRemaining()) {
                    flush();
                }
            }
        }

        private void flush() {
            buffer.flip();
            bytes += buffer.remaining();
            digest.update(buffer.duplicate());
            try {
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
            } catch (IOException e) {
                throw DataException.of("cannot write " + file, e, ADVICE);
            }
            buffer.clear();
        }

        Manifest.Stored finish() {
            flush();
            try {
                channel.force(true);
                channel.close();
            } catch (IOException e) {
                throw DataException.of("cannot write " + file, e, ADVICE);
            }
            return new Manifest.Stored(String.valueOf(file.getFileName()), bytes, Sha256.hex(digest));
        }

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw DataException.of("cannot write " + file, e, ADVICE);
            }
        }
    }
}
