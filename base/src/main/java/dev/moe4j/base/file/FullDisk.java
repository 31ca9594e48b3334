package dev.moe4j.base.file;

import java.io.IOException;
import java.util.List;

/**
 * Recognizes a full disk by the message of a failed write. Java does not give the error number. The free space of the disk
 * is not sufficient, because writes also fail by quotas and reserved blocks. The message is in the system's language, so
 * only English messages are recognized.
 */
public final class FullDisk {

    /** Messages of Linux and macOS, of Windows, and of quotas. */
    private static final List<String> TEXTS =
            List.of("No space left on device", "not enough space on the disk", "quota exceeded");

    private FullDisk() {}

    /** Whether a write failed because the disk is full or the user's quota is exceeded. */
    public static boolean explains(IOException failure) {
        String text = String.valueOf(failure.getMessage());
        return TEXTS.stream().anyMatch(text::contains);
    }
}
