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
 * A folder of prepared data that is filled in a hidden one beside its place, and moved there when it is whole:
 *
 * <pre>
 * .NAME.partial/
 *   lock     held by the process that writes
 *   plan     what is being made; another plan does not go on with it
 *   parts/   a record for each part that is whole
 *   data/    what becomes NAME
 * </pre>
 *
 * <p>A record is written after its part's files have reached the disk, under another name that is then changed, so
 * whenever the process ends, what has a record is whole, and what has none is written again.
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
     * Makes the hidden folder, or finds the one of a run that has not ended.
     *
     * @param target the place; where a link leads to a folder, that is the place
     * @param overwrite whether {@code target} may be prepared data, which then stays until the new data is whole, and
     *     whether an unfinished run of another plan is thrown away
     * @param wanted the plan; an empty one is always started anew
     * @throws DataException if {@code target} is in the way, its parent cannot be written, another process is at work
     *     on it, or an unfinished run has another plan
     */
    public OutputFolder(Path target, boolean overwrite, String wanted) {
        this.target = place(target);
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
                start(wanted);
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw DataException.of("cannot write into " + parent, e, ADVICE);
        }
    }

    /** The folders that are written on the way to one of that name, and itself, also by the name of its link. */
    static List<Path> places(Path target) {
        Path place = place(target);
        return List.of(target.toAbsolutePath().normalize(), place, partial(place));
    }

    private static Path place(Path target) {
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

    private void start(String wanted) throws IOException {
        boolean begun = Files.isDirectory(parts) && !isEmpty(parts) && Files.isDirectory(data);
        if (begun
                && !wanted.isEmpty()
                && Files.isRegularFile(plan)
                && Files.readString(plan).equals(wanted)) {
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
        AtomicFile.write(plan, wanted);
    }

    private void checkTarget() {
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            if (Files.isDirectory(target) && isEmpty(target)) {
                // One that cannot be replaced, as a mount point, is better found now than when all the work is done.
                Files.delete(target);
                Files.createDirectory(target);
                return;
            }
        } catch (IOException e) {
            throw DataException.of(
                    "cannot put a new folder in the place of " + target,
                    e,
                    "choose another output folder, as one in it");
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

    /** Where the data goes. */
    public Path data() {
        return data;
    }

    /** Says that a part is whole. */
    void save(PartRecord record) {
        Path file = parts.resolve(record.name());
        try {
            Fsync.folder(data); // the names of the part's files, before the record of them
            AtomicFile.write(file, Json.indented(record));
        } catch (IOException e) {
            throw DataException.of("cannot write " + file, e, SPACE);
        }
        resumable = true;
    }

    /** Says that another run would fail as this one, so that nothing is to be kept for it. */
    void discard() {
        resumable = false;
    }

    /** The record of a part, if it is whole. */
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
     * Writes the manifest and gives the folder its name, in place of an older one.
     *
     * @throws DataException if that fails
     */
    void commit(Manifest manifest) {
        manifest.write(data);
        checkTarget(); // again, since others may have written there in the meantime
        Path old = partial.resolve("old");
        try {
            FileTree.delete(old);
            AtomicFolder.commit(data, target, old);
            done = true;
        } catch (IOException e) {
            throw DataException.of("cannot write " + target, e, ADVICE);
        }
    }

    /** Lets the hidden folder go, unless there is work in it that another run can take up. */
    @Override
    public void close() {
        try (lock) {
            // Before the lock ends: after that another run may be at work in the folder.
            if (done || !resumable) {
                FileTree.delete(partial);
            }
        } catch (IOException e) {
            throw DataException.of("cannot delete " + partial, e, "delete it yourself");
        }
    }
}
