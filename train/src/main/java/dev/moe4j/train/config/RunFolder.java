package dev.moe4j.train.config;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.base.file.ProcessLock;
import dev.moe4j.base.file.TemporaryName;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A locked run folder. One process at a time may write to it. The lock on {@code .lock} is held until {@link #close} or
 * until the process ends in any way.
 */
public final class RunFolder implements AutoCloseable {

    public static final String METRICS = "metrics.jsonl";
    public static final String CONFIG = "config.yaml";
    private static final String LOCK = ".lock";

    private final Path path;
    private final ProcessLock lock;

    private RunFolder(Path path, ProcessLock lock) {
        this.path = path;
        this.lock = lock;
    }

    /**
     * Creates the folder if needed, locks it, and deletes unfinished files of interrupted processes.
     *
     * @throws TrainException if another process holds the lock, or the folder cannot be written
     */
    public static RunFolder lock(Path path) {
        try {
            Files.createDirectories(path);
            Path file = path.resolve(LOCK);
            Optional<ProcessLock> lock = ProcessLock.tryAcquire(file);
            if (lock.isEmpty()) {
                String owner = ProcessLock.holder(file);
                throw new TrainException(
                        path + " is in use by another process" + (owner.isEmpty() ? "" : " (" + owner + ")")
                                + "; wait for it, end it, or choose another folder");
            }
            RunFolder folder = new RunFolder(path, lock.get());
            folder.deleteUnfinished();
            return folder;
        } catch (FileAlreadyExistsException e) {
            throw new TrainException("cannot write the run to " + path + ": it is a file; give a folder", e);
        } catch (IOException e) {
            throw new TrainException("cannot write the run to " + path + ": " + DataException.reason(e), e);
        }
    }

    public Path path() {
        return path;
    }

    public Path metrics() {
        return path.resolve(METRICS);
    }

    /** Whether a folder holds a run. The folder need not exist. */
    public static boolean begun(Path path) {
        return Files.isDirectory(path)
                && (Files.exists(path.resolve(METRICS))
                        || !CheckpointReader.steps(path).isEmpty());
    }

    /** The complete checkpoints, newest first. */
    public List<CheckpointStep> checkpoints() {
        return CheckpointReader.steps(path);
    }

    public void writeConfig(String yaml) {
        try {
            AtomicFile.write(path.resolve(CONFIG), yaml);
        } catch (IOException e) {
            throw new TrainException("cannot write " + path.resolve(CONFIG) + ": " + DataException.reason(e), e);
        }
    }

    private void deleteUnfinished() throws IOException {
        List<Path> left;
        try (Stream<Path> children = Files.list(path)) {
            left = children.filter(TemporaryName::matches).toList();
        }
        for (Path child : left) {
            FileTree.delete(child);
        }
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw new TrainException("cannot release " + path.resolve(LOCK) + ": " + DataException.reason(e), e);
        }
    }
}
