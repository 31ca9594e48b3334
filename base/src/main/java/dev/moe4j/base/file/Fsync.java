package dev.moe4j.base.file;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/** Forces files and folders from the system's cache to the disk. */
public final class Fsync {

    private Fsync() {}

    /**
     * Forces a folder's entries to the disk: creations, renames and deletions in the folder.
     *
     * <p>Does nothing if the system does not support this. Windows cannot open folders, but NTFS journals renames. Some network
     * file systems refuse to force a folder.
     */
    public static void folder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            force(channel);
        } catch (AccessDeniedException e) {
            // On Windows, or without permission to read the folder.
        }
    }

    private static void force(FileChannel folder) {
        try {
            folder.force(true);
        } catch (IOException e) {
            // Java does not distinguish a refusal from a failure. The files' contents are forced separately.
        }
    }

    /** Forces a folder with its content to the disk. The files must be writable. */
    public static void tree(Path folder) throws IOException {
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile()) {
                    // Windows flushes only files that are open for writing.
                    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                        channel.force(true);
                    }
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Fsync.folder(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
