package dev.moe4j.cli.rotten.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Renames without an fsync. */
final class Renames {
    private Renames() {}

    static Path rename(Path from, Path to) throws IOException {
        return Files.move(from, to);
    }
}
