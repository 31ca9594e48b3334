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
 * A run's folder, which one process at a time may write to: the system's lock on {@code .lock} is held until this is
 * closed, or the process ends however it may.
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
     * Creates the folder where it is missing, locks it, and deletes what an interrupted process left unfinished there.
     *
     * @throws TrainException if another process has it
     */
    public static RunFolder lock(Path path) {
        try {
            Files.createDirectories(path);
            Path file = path.resolve(LOCK);
            Optional<ProcessLock> lock = ProcessLock.tryAcquire(file);
            if (lock.isEmpty()) {
                String owner = ProcessLock.holder(file);
                throw new TrainException(path + " is in use by another process"
                        + (owner.isEmpty() ? "" : " (" + owner + ")") + "; wait for it, end it, or give another --out");
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

    /** Whether a run was begun in that folder, which need not be there. */
    public static boolean begun(Path path) {
        return Files.isDirectory(path)
                && (Files.exists(path.resolve(METRICS))
                        || !CheckpointReader.steps(path).isEmpty());
    }

    /** The whole checkpoints, the newest first. */
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
