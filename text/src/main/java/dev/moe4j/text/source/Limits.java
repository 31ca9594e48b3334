package dev.moe4j.text.source;

import dev.moe4j.text.DataException;

/**
 * Limits on the size of input, as a protection against zip bombs and memory exhaustion.
 *
 * @param documentBytes the maximum size of a document, in UTF-8 bytes; at most 2^30
 * @param entryBytes the maximum uncompressed size of an archive entry
 * @param archiveBytes the maximum uncompressed size of an archive
 * @param ratio the maximum compression ratio of an archive entry and of an archive
 * @param freeBytes the uncompressed size up to which the compression ratio is not checked
 */
public record Limits(long documentBytes, long entryBytes, long archiveBytes, long ratio, long freeBytes) {

    private static final int HEAP_SHARE = 10;

    /** Allows 128 MiB per document, 16 GiB per archive entry, 1 TiB per archive, and a ratio of 250 beyond 16 MiB. */
    public static final Limits DEFAULT = new Limits(1L << 27, 1L << 34, 1L << 40, 250, 1L << 24);

    /**
     * Checks the limits.
     *
     * @throws IllegalArgumentException if a limit is not positive, or {@code documentBytes} is above 2^30
     */
    public Limits {
        if (documentBytes < 1 || documentBytes > 1L << 30 || entryBytes < 1 || archiveBytes < 1 || ratio < 1) {
            throw new IllegalArgumentException("limits must be positive, and a document at most 2^30 bytes");
        }
    }

    /** Returns a copy with another maximum size of a document. */
    public Limits documentBytes(long value) {
        return new Limits(value, entryBytes, archiveBytes, ratio, freeBytes);
    }

    /**
     * Returns the maximum size of a document that fits in memory, in UTF-8 bytes. This is at most a tenth of the heap,
     * because reading a document needs up to ten times its size: the growing byte buffer, the characters at two bytes
     * each, the record around the text, and the previous document.
     */
    long documentBytesInMemory() {
        return Math.min(documentBytes, Runtime.getRuntime().maxMemory() / HEAP_SHARE);
    }

    /**
     * Returns the exception for a document or record that is larger than {@link #documentBytesInMemory}.
     *
     * @throws DataException if the heap, and not {@code documentBytes}, is the limit. Such a document must not be
     *     skipped, because the prepared data would then depend on the heap size.
     */
    public BadInputException tooLong(String what) {
        long limit = documentBytesInMemory();
        if (limit < documentBytes) {
            throw new DataException(what + " is longer than " + limit + " bytes, too much for this heap; run it with "
                    + "MOE4J_JAVA_OPTS=-Xmx" + (((HEAP_SHARE * documentBytes) >> 20) + 1) + "m or lower the limit of "
                    + documentBytes + " bytes a document");
        }
        return new BadInputException(
                Skipped.Reason.TOO_LONG,
                what + " is longer than " + documentBytes
                        + " bytes; let blank lines separate documents, split the file, " + "or raise the limit");
    }

    void check(String what, long uncompressed, long compressed, long limit) throws BadInputException {
        if (uncompressed > limit) {
            throw new BadInputException(
                    Skipped.Reason.TOO_LONG,
                    what + " unpacks to more than " + limit
                            + " bytes; unpack it yourself and give the folder, if you trust it");
        }
        if (uncompressed > freeBytes && uncompressed / ratio > compressed) {
            throw new BadInputException(
                    Skipped.Reason.TOO_LONG,
                    what + " unpacks to more than " + ratio + " times its size, as a zip bomb does; "
                            + "unpack it yourself and give the folder, if you trust it");
        }
    }
}
