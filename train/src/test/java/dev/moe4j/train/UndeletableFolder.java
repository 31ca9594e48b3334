package dev.moe4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Makes a folder that cannot be deleted after it was renamed to a temporary name. The longer name makes the path of a
 * nested folder too long for a system call.
 */
public record UndeletableFolder(Path folder) implements AutoCloseable {

    /** The maximum length of a path in a Linux system call. */
    private static final int LONGEST_PATH = 4095;

    /** Makes the folder undeletable; creates it if it is missing. */
    public static UndeletableFolder at(Path folder) throws IOException {
        Path deep = folder;
        while (deep.toString().length() < LONGEST_PATH - 1) {
            int left = LONGEST_PATH - 1 - deep.toString().length();
            deep = deep.resolve("x".repeat(Math.min(200, left)));
        }
        Files.createDirectories(deep);
        return new UndeletableFolder(folder);
    }

    /** Renames the rest to a short name, so that the test's folder can be deleted. */
    @Override
    public void close() throws IOException {
        try (Stream<Path> left = Files.list(folder.resolveSibling(""))) {
            Path renamed = left.filter(file -> file.toString().endsWith(".tmp"))
                    .findFirst()
                    .orElse(folder);
            Files.move(renamed, folder.resolveSibling("x"));
        }
    }
}
