package dev.moe4j.data;

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

    /** 256 MiB a document, 16 GiB an entry, 1 TiB an archive, and 250 times its size from 16 MiB on. */
    public static final Limits DEFAULT = new Limits(1L << 28, 1L << 34, 1L << 40, 250, 1L << 24);

    /** Checks the bounds. */
    public Limits {
        if (documentBytes < 1 || documentBytes > 1L << 30 || entryBytes < 1 || archiveBytes < 1 || ratio < 1) {
            throw new IllegalArgumentException("limits must be positive, and a document at most 2^30 bytes");
        }
    }

    void check(String what, long uncompressed, long compressed, long most) {
        if (uncompressed > most) {
            throw new DataException(what + " unpacks to more than " + most
                    + " bytes; unpack it yourself and give the folder, if you trust it");
        }
        if (uncompressed > freeBytes && uncompressed / ratio > compressed) {
            throw new DataException(what + " unpacks to more than " + ratio + " times its size, as a zip bomb does; "
                    + "unpack it yourself and give the folder, if you trust it");
        }
    }
}
