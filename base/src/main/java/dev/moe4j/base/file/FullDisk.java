package dev.moe4j.base.file;

import java.io.IOException;
import java.util.List;

/**
 * Recognises a full disk by the text of a failed write. Java gives no error number, and the free space that a disk states
 * does not tell: quotas and reserved blocks end writes before it is zero. The text is in the system's language; in
 * others than English a message shows the text without advice.
 */
public final class FullDisk {

    /** Those of Linux and macOS, of Windows, and of quotas. */
    private static final List<String> TEXTS =
            List.of("No space left on device", "not enough space on the disk", "quota exceeded");

    private FullDisk() {}

    /** Whether a write failed because the disk or the user's share of it is full. */
    public static boolean explains(IOException failure) {
        String text = String.valueOf(failure.getMessage());
        return TEXTS.stream().anyMatch(text::contains);
    }
}
