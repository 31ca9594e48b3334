package dev.moe4j.train;

import dev.moe4j.data.FileTree;
import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.CheckpointReader;
import dev.moe4j.model.CheckpointStep;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A run's folder, which one process at a time may write to: the system's lock on {@code .lock} is held until this is
 * closed, or the process ends however it may.
 */
final class RunFolder implements AutoCloseable {

    static final String METRICS = "metrics.jsonl";
    static final String CONFIG = "config.yaml";
    private static final String LOCK = ".lock";
    private static final String UNFINISHED = ".tmp";
    /** The names that {@link #temporary} gives; others that end so are somebody else's. */
    private static final Pattern TEMPORARY = Pattern.compile(".+\\.[0-9a-f]{8}" + Pattern.quote(UNFINISHED));

    private final Path path;
    private final FileChannel lockFile;

    private RunFolder(Path path, FileChannel lockFile) {
        this.path = path;
        this.lockFile = lockFile;
    }

    /**
     * Creates the folder where it is missing, locks it, and deletes what an interrupted process left unfinished there.
     *
     * @throws TrainException if another process has it
     */
    static RunFolder lock(Path path) {
        try {
            Files.createDirectories(path);
            FileChannel file = FileChannel.open(
                    path.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.READ);
            if (tryLock(file) == null) {
                String owner = Files.readString(path.resolve(LOCK)).strip();
                file.close();
                throw new TrainException(path + " is in use by another process"
                        + (owner.isEmpty() ? "" : " (" + owner + ")") + "; wait for it, end it, or give another --out");
            }
            RunFolder folder = new RunFolder(path, file);
            file.truncate(0);
            file.write(ByteBuffer.wrap(
                    ("process " + ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.UTF_8)));
            folder.deleteUnfinished();
            return folder;
        } catch (FileAlreadyExistsException e) {
            throw new TrainException("cannot write the run to " + path + ": it is a file; give a folder", e);
        } catch (IOException e) {
            throw new TrainException("cannot write the run to " + path + ": " + e.getMessage(), e);
        }
    }

    private static @Nullable FileLock tryLock(FileChannel file) throws IOException {
        try {
            return file.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // this very process has it
        }
    }

    Path path() {
        return path;
    }

    Path metrics() {
        return path.resolve(METRICS);
    }

    /** Whether a run was begun in that folder, which need not be there. */
    static boolean begun(Path path) {
        return Files.isDirectory(path)
                && (Files.exists(path.resolve(METRICS))
                        || !CheckpointReader.steps(path).isEmpty());
    }

    /** The whole checkpoints, the newest first. */
    List<CheckpointStep> checkpoints() {
        return CheckpointReader.steps(path);
    }

    void writeConfig(String yaml) {
        try {
            Path file = path.resolve(CONFIG);
            Path temporary = temporary(file);
            Files.writeString(temporary, yaml);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new TrainException("cannot write " + path.resolve(CONFIG) + ": " + e.getMessage(), e);
        }
    }

    /** A name beside the target that no reader takes for whole. */
    Path temporary(Path target) {
        return target.resolveSibling("%s.%08x%s"
                .formatted(target.getFileName(), ThreadLocalRandom.current().nextInt(), UNFINISHED));
    }

    /** Deletes a checkpoint such that half of it never looks like the whole. */
    void delete(Path checkpoint) throws IOException {
        Path doomed = temporary(checkpoint);
        Files.move(checkpoint, doomed, StandardCopyOption.ATOMIC_MOVE);
        FileTree.delete(doomed);
    }

    private void deleteUnfinished() throws IOException {
        List<Path> left;
        try (Stream<Path> children = Files.list(path)) {
            left = children.filter(child ->
                            TEMPORARY.matcher(child.getFileName().toString()).matches())
                    .toList();
        }
        for (Path child : left) {
            FileTree.delete(child);
        }
    }

    /** Writes a file to the disk. */
    static void write(Path file, String text) throws IOException {
        Files.writeString(file, text);
        force(file);
    }

    /** Writes a tokenizer's file, where it has one, to the disk. */
    static void write(Path folder, Tokenizer tokenizer) throws IOException {
        tokenizer.save(folder);
        if (Files.exists(folder.resolve(Tokenizer.FILE))) {
            force(folder.resolve(Tokenizer.FILE));
        }
    }

    /** Puts a file, or the names in a folder, on the disk. */
    static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (AccessDeniedException e) {
            if (!Files.isDirectory(path)) {
                throw e;
            }
            // Windows cannot open folders; its renames are journaled.
        }
    }

    @Override
    public void close() {
        try {
            lockFile.close();
        } catch (IOException e) {
            throw new TrainException("cannot release " + path.resolve(LOCK) + ": " + e.getMessage(), e);
        }
    }
}
