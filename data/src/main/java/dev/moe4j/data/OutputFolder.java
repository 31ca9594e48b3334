package dev.moe4j.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A folder that is filled under a hidden name beside its place and renamed when it is whole. */
final class OutputFolder implements AutoCloseable {
    private static final String ADVICE = "check its permissions or choose another output folder";

    private final Path target;
    private final Path partial;
    private boolean done;

    /**
     * Makes the hidden folder.
     *
     * @param overwrite whether {@code target} may be prepared data, which then stays until the new data is whole
     * @throws DataException if {@code target} is in the way or its parent cannot be written
     */
    OutputFolder(Path target, boolean overwrite) {
        this.target = target.toAbsolutePath().normalize();
        Path parent = this.target.getParent();
        if (parent == null) {
            throw new DataException("cannot write prepared data to " + target + "; choose another output folder");
        }
        checkTarget(overwrite);
        this.partial = parent.resolve("." + this.target.getFileName() + ".partial-"
                + ProcessHandle.current().pid());
        try {
            Files.createDirectories(parent);
            delete(partial);
            Files.createDirectory(partial);
        } catch (IOException e) {
            throw DataException.of("cannot write into " + parent, e, ADVICE);
        }
    }

    private void checkTarget(boolean overwrite) {
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS) || isEmpty()) {
            return;
        }
        if (!Files.isDirectory(target)) {
            throw new DataException(target + " is not a folder; choose another output folder");
        }
        if (!overwrite) {
            throw new DataException(
                    target + " is not empty; choose another output folder, or say that it may be" + " overwritten");
        }
        if (!Files.isRegularFile(target.resolve(Manifest.FILE))) {
            throw new DataException(target + " is not prepared data (it has no " + Manifest.FILE
                    + "), so it is not overwritten; choose another output folder");
        }
    }

    private boolean isEmpty() {
        if (!Files.isDirectory(target)) {
            return false;
        }
        try (Stream<Path> children = Files.list(target)) {
            return children.findAny().isEmpty();
        } catch (IOException e) {
            throw DataException.of("cannot read " + target, e, ADVICE);
        }
    }

    /** The hidden folder. */
    Path partial() {
        return partial;
    }

    /**
     * Gives the folder its name, in place of an older one.
     *
     * @throws DataException if that fails
     */
    void commit() {
        Path old = partial.resolveSibling(partial.getFileName() + ".old");
        try {
            boolean replaces = Files.exists(target) && !isEmpty();
            if (replaces) {
                Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
            } else {
                Files.deleteIfExists(target);
            }
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
            done = true;
            if (replaces) {
                delete(old);
            }
        } catch (IOException e) {
            throw DataException.of("cannot write " + target, e, ADVICE);
        }
    }

    /** Deletes the hidden folder if it was not committed. */
    @Override
    public void close() {
        if (!done) {
            try {
                delete(partial);
            } catch (IOException e) {
                throw DataException.of("cannot delete " + partial, e, "delete it yourself");
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> all;
        try (Stream<Path> walk = Files.walk(folder)) {
            all = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : all) {
            Files.delete(path);
        }
    }
}
