package dev.moe4j.data.shard;

import dev.moe4j.text.DataException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/**
 * Reads a memory-mapped pair of {@code .bin} and {@code .idx} files, as this project, fairseq and Megatron write them
 * (docs/data-format.md). The complete index is validated when the pair is opened. Safe for concurrent reads. After {@link
 * #close}, every access throws {@link IllegalStateException}.
 */
public final class ShardReader implements TokenStream, AutoCloseable {
    private static final String DAMAGED = "; the file is damaged or of another format: prepare the data again";

    private final Path bin;
    private final Path idx;
    private final Arena arena;
    private final MemorySegment ids;
    private final MemorySegment index;
    private final IdType type;
    private final long sequences;
    private final long lengthsAt;
    private final long pointersAt;
    /** The offset of Megatron's document index; -1 if there is none and each sequence is a document. */
    private final long documentsAt;

    private final long documents;
    private final long tokens;
    private final boolean contiguous;

    /**
     * Opens a pair.
     *
     * @param prefix the path without {@code .bin} and {@code .idx}
     * @throws DataException if a file is missing or the index is damaged
     */
    @SuppressWarnings("MustBeClosedChecker") // the reader closes it
    public static ShardReader open(Path prefix) {
        Arena arena = Arena.ofShared();
        try {
            return new ShardReader(prefix, arena);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    private ShardReader(Path prefix, Arena arena) {
        this.arena = arena;
        bin = ShardWriter.sibling(prefix, ".bin");
        idx = ShardWriter.sibling(prefix, ".idx");
        index = map(idx);
        ids = map(bin);

        long length = index.byteSize();
        check(length >= ShardWriter.HEADER, "has " + length + " bytes, fewer than its header needs");
        MemorySegment magic = MemorySegment.ofArray(ShardWriter.MAGIC);
        check(index.asSlice(0, magic.byteSize()).mismatch(magic) < 0, "does not begin with MMIDIDX");
        long version = index.get(IdType.LONG, 9);
        check(version == 1, "has version " + version + ", not 1");
        byte code = index.get(ValueLayout.JAVA_BYTE, 17);
        type = IdType.ofCode(code).orElseThrow(() -> damaged("has the unknown id type " + code));
        sequences = index.get(IdType.LONG, 18);
        check(sequences >= 0 && sequences <= length / 12, "counts " + sequences + " entries in " + length + " bytes");

        long table = 12 * sequences;
        if (length == ShardWriter.HEADER + table) {
            lengthsAt = ShardWriter.HEADER;
            documentsAt = -1;
            documents = sequences;
        } else {
            lengthsAt = ShardWriter.HEADER + 8;
            documentsAt = lengthsAt + table;
            check(length >= documentsAt, "has " + length + " bytes, too few for " + sequences + " entries");
            long entries = index.get(IdType.LONG, ShardWriter.HEADER);
            check(
                    entries >= 1 && length - documentsAt == 8 * Math.min(entries, length),
                    "has " + length + " bytes, which fit neither layout for " + sequences + " entries");
            documents = entries - 1;
        }
        pointersAt = lengthsAt + 4 * sequences;

        long sum = 0;
        boolean together = true;
        for (long i = 0; i < sequences; i++) {
            long count = index.get(IdType.INT, lengthsAt + 4 * i);
            long pointer = index.get(IdType.LONG, pointersAt + 8 * i);
            check(count >= 0, "says that entry " + i + " has " + count + " ids");
            check(
                    pointer >= 0 && pointer <= ids.byteSize() && count * type.width <= ids.byteSize() - pointer,
                    "puts entry " + i + " at byte " + pointer + " with " + count + " ids, outside the " + ids.byteSize()
                            + " bytes of " + bin);
            together &= pointer == sum * type.width;
            sum = Math.addExact(sum, count);
        }
        contiguous = together;
        tokens = sum;
        check(
                !contiguous || tokens * type.width == ids.byteSize(),
                "adds up to " + tokens + " ids, but " + bin + " has " + ids.byteSize() + " bytes");
        checkDocumentIndex();
    }

    private void checkDocumentIndex() {
        if (documentsAt < 0) {
            return;
        }
        long before = firstSequence(0);
        check(before == 0, "begins its document index with " + before + ", not 0");
        for (long i = 1; i <= documents; i++) {
            long next = firstSequence(i);
            check(next >= before && next <= sequences, "has " + next + " after " + before + " in its document index");
            before = next;
        }
        check(before == sequences, "ends its document index with " + before + ", not " + sequences);
    }

    private MemorySegment map(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            return size == 0
                    ? MemorySegment.ofArray(new byte[0])
                    : channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, "check the path, or prepare the data again");
        }
    }

    private void check(boolean holds, String what) {
        if (!holds) {
            throw damaged(what);
        }
    }

    private DataException damaged(String what) {
        return new DataException(idx + " " + what + DAMAGED);
    }

    @Override
    public long tokens() {
        return tokens;
    }

    /** Returns the number of documents. */
    public long documents() {
        return documents;
    }

    private long firstSequence(long document) {
        return documentsAt < 0 ? document : index.get(IdType.LONG, documentsAt + 8 * document);
    }

    private int sequenceLength(long sequence) {
        return index.get(IdType.INT, lengthsAt + 4 * sequence);
    }

    /**
     * Returns the number of tokens in a document, including the end of text.
     *
     * @param document the number of the document, from 0
     * @throws DataException if an array cannot hold the document
     */
    public int documentLength(long document) {
        Objects.checkIndex(document, documents);
        long sum = 0;
        for (long s = firstSequence(document); s < firstSequence(document + 1); s++) {
            sum += sequenceLength(s);
        }
        if (sum > Integer.MAX_VALUE - 8) {
            throw new DataException("document " + document + " of " + bin + " has " + sum
                    + " tokens, more than fit in memory; read it as a stream");
        }
        return (int) sum;
    }

    /**
     * Returns the position at which a document begins in the stream that {@link #copyTokens} reads, in tokens.
     *
     * @param document the number of the document, from 0 to {@link #documents}. The last value gives {@link #tokens}.
     * @throws DataException if the entries are not contiguous
     */
    public long documentStart(long document) {
        Objects.checkIndex(document, documents + 1);
        checkContiguous();
        long sequence = firstSequence(document);
        return sequence == sequences ? tokens : index.get(IdType.LONG, pointersAt + 8 * sequence) / type.width;
    }

    /**
     * Returns the tokens of a document, {@code [tokens]}, including the end of text.
     *
     * @param document the number of the document, from 0
     * @throws DataException if an id is negative or does not fit in 31 bits
     */
    public int[] document(long document) {
        int[] out = new int[documentLength(document)];
        int at = 0;
        for (long s = firstSequence(document); s < firstSequence(document + 1); s++) {
            int count = sequenceLength(s);
            read(index.get(IdType.LONG, pointersAt + 8 * s), out, at, count);
            at += count;
        }
        return out;
    }

    /**
     * {@inheritDoc}
     *
     * @throws DataException also if the entries are not contiguous
     */
    @Override
    public void copyTokens(long offset, int[] out, int at, int count) {
        checkContiguous();
        Objects.checkFromIndexSize(offset, count, tokens);
        Objects.checkFromIndexSize(at, count, out.length);
        read(offset * type.width, out, at, count);
    }

    private void checkContiguous() {
        if (!contiguous) {
            throw new DataException(idx + " has entries that overlap or leave gaps, so its documents cannot be read as"
                    + " one stream; write them again one after the other");
        }
    }

    private void read(long from, int[] out, int at, int count) {
        if (!type.read(ids, from, out, at, count)) {
            throw new DataException(bin + " has ids that are negative or too large within " + count + " ids from byte "
                    + from + DAMAGED);
        }
    }

    /** Unmaps the files. */
    @Override
    public void close() {
        arena.close();
    }
}
