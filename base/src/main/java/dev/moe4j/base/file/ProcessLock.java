package dev.moe4j.base.file;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * An exclusive lock among all processes of the machine, implemented as the system's lock on a file. The lock is released when
 * it is closed, or when its process ends for any reason. The file's text names the process that holds the lock.
 */
public final class ProcessLock implements AutoCloseable {
    /** The locked byte. It is after the text, because on Windows other processes cannot read locked bytes. */
    private static final long LOCKED_BYTE = 1L << 30;

    /**
     * The files that this process has locked. On Linux and macOS a process loses its lock on a file when it closes any
     * channel on that file, so a second attempt must not open the file.
     */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path file;
    private final FileChannel channel;

    private ProcessLock(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Tries to take the lock without waiting. Creates the file if it does not exist. The folder must exist.
     *
     * @return the lock; empty if this process or another one holds it
     */
    public static Optional<ProcessLock> tryAcquire(Path file) throws IOException {
        Path real = real(file);
        if (!HELD.add(real)) {
            return Optional.empty();
        }
        Optional<ProcessLock> lock = Optional.empty();
        try {
            lock = tryLock(real);
            return lock;
        } finally {
            if (lock.isEmpty()) {
                HELD.remove(real);
            }
        }
    }

    private static Optional<ProcessLock> tryLock(Path file) throws IOException {
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException e) {
            // The usual case: releasing a lock does not delete the file.
        }
        @Nullable Object found;
        FileChannel channel;
        try {
            found = key(file);
            channel = FileChannel.open(file, StandardOpenOption.WRITE);
        } catch (NoSuchFileException e) {
            return Optional.empty(); // the holder deleted the file just now
        }
        try {
            if (channel.tryLock(LOCKED_BYTE, 1, false) != null && isStillThere(file, found)) {
                channel.truncate(0);
                int _ = channel.write(ByteBuffer.wrap((owner() + "\n").getBytes(StandardCharsets.UTF_8)));
                return Optional.of(new ProcessLock(file, channel));
            }
        } catch (IOException e) {
            channel.close();
            throw e;
        }
        channel.close();
        return Optional.empty();
    }

    /** Whether the path still refers to the locked file. A holder may delete its file, which makes a lock on it useless. */
    private static boolean isStillThere(Path file, @Nullable Object found) throws IOException {
        try {
            return Objects.equals(found, key(file));
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /** The process that holds the lock on a file, such as "process 4711"; empty if the file is empty or does not exist. */
    public static String holder(Path file) throws IOException {
        try {
            return HELD.contains(real(file)) ? owner() : Files.readString(file).strip();
        } catch (NoSuchFileException e) {
            return ""; // the holder deleted the file just now
        }
    }

    private static String owner() {
        return "process " + ProcessHandle.current().pid();
    }

    private static Path real(Path file) throws IOException {
        Path absolute = file.toAbsolutePath();
        Path folder = absolute.getParent();
        return folder == null ? absolute : folder.toRealPath().resolve(absolute.getFileName());
    }

    /** An identity of the file, which a replacement at the same path does not share; null on Windows. */
    private static @Nullable Object key(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            HELD.remove(file);
        }
    }
}
