package dev.moe4j.data.prepare;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.file.AtomicFolder;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.base.file.Fsync;
import dev.moe4j.base.file.ProcessLock;
import dev.moe4j.base.json.Json;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * Builds a folder of prepared data in a hidden folder next to the target, and moves it to the target when it is complete.
 * The hidden folder has these entries:
 *
 * <pre>
 * .NAME.partial/
 *   lock     the lock file of the writing process
 *   plan     the fingerprint of the preparation; only a run with the same fingerprint can resume
 *   parts/   a record of each finished part
 *   data/    the folder that becomes NAME
 * </pre>
 *
 * <p>The record of a part is written atomically after the files of the part have reached the disk. If the process dies,
 * parts with a record are therefore complete. Parts without a record are written again.
 */
public final class OutputFolder implements AutoCloseable {
    private static final String ADVICE = "check its permissions or choose another output folder";
    private static final String SPACE = "free some space there or choose another output folder";

    private final Path target;
    private final boolean overwrite;
    private final Path partial;
    private final Path plan;
    private final Path parts;
    private final Path data;
    private final ProcessLock lock;
    private boolean resumable;
    private boolean done;

    /**
     * Creates the hidden folder, or opens the one of an interrupted run.
     *
     * @param target the final folder. A symbolic link to a folder is resolved.
     * @param overwrite whether prepared data in {@code target} may be replaced (it stays until the new data is complete),
     *     and whether an unfinished run with another fingerprint may be deleted
     * @param fingerprint the fingerprint of the preparation; an empty one never resumes
     * @throws DataException if {@code target} must not be replaced, its parent cannot be written, another process is
     *     writing to it, or an unfinished run has another fingerprint
     */
    public OutputFolder(Path target, boolean overwrite, String fingerprint) {
        this.target = resolve(target);
        this.overwrite = overwrite;
        Path parent = this.target.getParent();
        if (parent == null) {
            throw new DataException("cannot write prepared data to " + target + "; choose another output folder");
        }
        checkTarget();
        partial = partial(this.target);
        plan = partial.resolve("plan");
        parts = partial.resolve("parts");
        data = partial.resolve("data");
        try {
            Files.createDirectories(partial);
            lock = lock();
            try {
                start(fingerprint);
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw DataException.of("cannot write into " + parent, e, ADVICE);
        }
    }

    /** Returns all folders that a preparation writes: the target, its resolved link and the hidden folder. */
    static List<Path> writtenFolders(Path target) {
        Path resolved = resolve(target);
        return List.of(target.toAbsolutePath().normalize(), resolved, partial(resolved));
    }

    private static Path resolve(Path target) {
        Path named = target.toAbsolutePath().normalize();
        try {
            return Files.isSymbolicLink(named) && Files.isDirectory(named) ? named.toRealPath() : named;
        } catch (IOException e) {
            throw DataException.of("cannot read " + named, e, ADVICE);
        }
    }

    private static Path partial(Path target) {
        return target.resolveSibling("." + target.getFileName() + ".partial");
    }

    private ProcessLock lock() throws IOException {
        return ProcessLock.tryAcquire(partial.resolve("lock"))
                .orElseThrow(() -> new DataException(
                        "another run is writing " + target + " now; wait for it or choose another folder"));
    }

    private void start(String fingerprint) throws IOException {
        boolean begun = Files.isDirectory(parts) && !isEmpty(parts) && Files.isDirectory(data);
        if (begun
                && !fingerprint.isEmpty()
                && Files.isRegularFile(plan)
                && Files.readString(plan).equals(fingerprint)) {
            resumable = true;
            return;
        }
        if (begun && !overwrite) {
            throw new DataException(partial + " has an unfinished run with other input or options; finish that one,"
                    + " delete the folder, or say that it may be overwritten");
        }
        FileTree.delete(data);
        FileTree.delete(parts);
        Files.createDirectory(parts);
        Files.createDirectory(data);
        AtomicFile.write(plan, fingerprint);
    }

    private void checkTarget() {
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            if (Files.isDirectory(target) && isEmpty(target)) {
                // Detects a folder that cannot be replaced, such as a mount point, before the work starts.
                Files.delete(target);
                Files.createDirectory(target);
                return;
            }
        } catch (IOException e) {
            throw DataException.of(
                    "cannot replace the folder " + target,
                    e,
                    "choose another output folder, for example one inside it");
        }
        if (!Files.isDirectory(target)) {
            throw new DataException(target + " is not a folder; choose another output folder");
        }
        if (!overwrite) {
            throw new DataException(
                    target + " is not empty; choose another output folder, or say that it may be overwritten");
        }
        if (!Files.isRegularFile(target.resolve(Manifest.FILE))) {
            throw new DataException(target + " is not prepared data (it has no " + Manifest.FILE
                    + "), so it is not overwritten; choose another output folder");
        }
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.findAny().isEmpty();
        }
    }

    /** Returns the folder for the data files. */
    public Path data() {
        return data;
    }

    /** Records that a part is finished. */
    void save(PartRecord record) {
        Path file = parts.resolve(record.name());
        try {
            Fsync.folder(data); // the names of the part's files must reach the disk before the record
            AtomicFile.write(file, Json.indented(record));
        } catch (IOException e) {
            throw DataException.of("cannot write " + file, e, SPACE);
        }
        resumable = true;
    }

    /** Discards the finished parts on close, because another run would fail in the same way. */
    void discard() {
        resumable = false;
    }

    /** Returns the record of a part if the part is finished. */
    Optional<PartRecord> saved(int group, int part) {
        Path file = parts.resolve(PartRecord.name(group, part));
        try {
            if (!Files.exists(file)) {
                return Optional.empty();
            }
            JsonNode record = Json.MAPPER.readTree(Files.readString(file));
            Manifest.addMissingWords(record);
            return Optional.of(Json.MAPPER.treeToValue(record, PartRecord.class));
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, ADVICE);
        } catch (JacksonException e) {
            throw new DataException(file + " is damaged; delete " + partial + " and run it again", e);
        }
    }

    /**
     * Writes the manifest and moves the folder to the target, replacing an older one.
     *
     * @throws DataException if the folder cannot be written or the target must not be replaced
     */
    void commit(Manifest manifest) {
        manifest.write(data);
        checkTarget(); // again, because another program may have written there in the meantime
        Path old = partial.resolve("old");
        try {
            FileTree.delete(old);
            AtomicFolder.commit(data, target, old);
            done = true;
        } catch (IOException e) {
            throw DataException.of("cannot write " + target, e, ADVICE);
        }
    }

    /** Releases the lock, and deletes the hidden folder unless another run can resume from it. */
    @Override
    public void close() {
        try (lock) {
            // This needs the lock: after its release another run may use the folder.
            if (done || !resumable) {
                FileTree.delete(partial);
            }
        } catch (IOException e) {
            throw DataException.of("cannot delete " + partial, e, "delete it yourself");
        }
    }
}
