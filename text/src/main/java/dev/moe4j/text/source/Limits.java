package dev.moe4j.text.source;

import dev.moe4j.text.DataException;

/**
 * Bounds on what an input may grow to, against bombs and exhausted memory.
 *
 * @param documentBytes the largest document, in UTF-8 bytes; at most 2^30
 * @param entryBytes the largest entry of an archive, uncompressed
 * @param archiveBytes the largest archive, uncompressed
 * @param ratio how many times its compressed size an entry, or an archive, may grow
 * @param freeBytes the ratio does not matter up to this uncompressed size
 */
public record Limits(long documentBytes, long entryBytes, long archiveBytes, long ratio, long freeBytes) {

    private static final int HEAP_SHARE = 10;

    /** 128 MiB a document, 16 GiB an entry, 1 TiB an archive, and 250 times its size from 16 MiB on. */
    public static final Limits DEFAULT = new Limits(1L << 27, 1L << 34, 1L << 40, 250, 1L << 24);

    /** Checks the bounds. */
    public Limits {
        if (documentBytes < 1 || documentBytes > 1L << 30 || entryBytes < 1 || archiveBytes < 1 || ratio < 1) {
            throw new IllegalArgumentException("limits must be positive, and a document at most 2^30 bytes");
        }
    }

    /** With another bound on a document. */
    public Limits documentBytes(long value) {
        return new Limits(value, entryBytes, archiveBytes, ratio, freeBytes);
    }

    /**
     * The bytes of a document that are read before {@link #tooLong}. A tenth of the heap at most, since
     * up to ten times its bytes are in memory: the bytes while they grow, their characters at two bytes each, those of a
     * record around them, and the document before.
     */
    long documentBytesInMemory() {
        return Math.min(documentBytes, Runtime.getRuntime().maxMemory() / HEAP_SHARE);
    }

    /**
     * What to throw about a document, or a record, of more than {@link #documentBytesInMemory}.
     *
     * @throws DataException if the heap is what bounds it: then it is not left out either, since what is prepared must
     *     not depend on the heap
     */
    public BadInputException tooLong(String what) {
        long most = documentBytesInMemory();
        if (most < documentBytes) {
            throw new DataException(what + " is longer than " + most + " bytes, too much for this heap; run it with "
                    + "MOE4J_JAVA_OPTS=-Xmx" + (((HEAP_SHARE * documentBytes) >> 20) + 1) + "m or lower the limit of "
                    + documentBytes + " bytes a document");
        }
        return new BadInputException(
                Skipped.Reason.TOO_LONG,
                what + " is longer than " + documentBytes
                        + " bytes; let blank lines separate documents, split the file, " + "or raise the limit");
    }

    void check(String what, long uncompressed, long compressed, long most) throws BadInputException {
        if (uncompressed > most) {
            throw new BadInputException(
                    Skipped.Reason.TOO_LONG,
                    what + " unpacks to more than " + most
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
