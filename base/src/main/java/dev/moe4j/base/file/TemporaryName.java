package dev.moe4j.base.file;

import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;

/**
 * The names of files and folders that are being written: {@code NAME.0123abcd.tmp} next to {@code NAME}, with eight
 * random hexadecimal digits.
 */
public final class TemporaryName {
    /** The end of each temporary name. */
    public static final String ENDING = ".tmp";

    private static final Pattern TEMPORARY = Pattern.compile(".+\\.[0-9a-f]{8}" + Pattern.quote(ENDING));

    private TemporaryName() {}

    /** A new temporary name in the target's folder. */
    public static Path nextTo(Path target) {
        return target.resolveSibling("%s.%08x%s"
                .formatted(target.getFileName(), ThreadLocalRandom.current().nextInt(), ENDING));
    }

    /** Whether the path has the form of a temporary name; other names that end in {@code .tmp} do not. */
    public static boolean matches(Path path) {
        return TEMPORARY.matcher(String.valueOf(path.getFileName())).matches();
    }
}
