package dev.moe4j.base.file;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that is written next to its target and replaces the target when it is complete. A reader finds either the old or the
 * new content, even after a crash or a power failure.
 *
 * <p>The content goes to a file with a {@linkplain TemporaryName temporary name} in the target's folder. {@link #commit}
 * forces the content to the disk, renames the file, and forces the rename to the disk. Closing without a commit deletes
 * the temporary file.
 */
public final class AtomicFile implements AutoCloseable {
    private final Path target;
    private final Path temporary;
    private final FileChannel channel;

    /**
     * Creates the temporary file.
     *
     * @param target the file to create or replace; its folder must exist
     */
    public AtomicFile(Path target) throws IOException {
        this.target = target.toAbsolutePath();
        this.temporary = TemporaryName.nextTo(this.target);
        this.channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    /** Creates or replaces a file with this text in UTF-8. */
    public static void write(Path target, String text) throws IOException {
        write(target, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Creates or replaces a file with this content. */
    public static void write(Path target, byte[] content) throws IOException {
        try (AtomicFile file = new AtomicFile(target)) {
            ByteBuffer rest = ByteBuffer.wrap(content);
            while (rest.hasRemaining()) {
                int _ = file.channel.write(rest);
            }
            file.commit();
        }
    }

    /** The channel to which the content must be written. */
    public FileChannel channel() {
        return channel;
    }

    /** The path of the temporary file. */
    public Path temporary() {
        return temporary;
    }

    /** Replaces the target by the content written so far, and closes the channel. */
    public void commit() throws IOException {
        channel.force(true);
        channel.close();
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        Fsync.folder(target.resolveSibling("."));
    }

    /** Deletes the temporary file unless it was committed. */
    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(temporary);
    }
}
