package dev.moe4j.base.file;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Creates and deletes folders such that a folder with its final name is always complete. */
public final class AtomicFolder {

    private AtomicFolder() {}

    /**
     * Forces a folder to the disk, renames it, and forces the rename to the disk.
     *
     * @param complete the folder, on the same file system as the target
     * @param target the folder's new path
     * @param replaced the path to which an existing target is moved; it must not exist
     */
    public static void commit(Path complete, Path target, Path replaced) throws IOException {
        Fsync.tree(complete);
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            Files.move(target, replaced, StandardCopyOption.ATOMIC_MOVE);
        }
        Files.move(complete, target, StandardCopyOption.ATOMIC_MOVE);
        Fsync.folder(target.toAbsolutePath().resolveSibling("."));
    }

    /**
     * Renames a folder, then deletes it with its content. An interrupted deletion never leaves a partial folder under the
     * original name.
     */
    public static void delete(Path folder) throws IOException {
        Path doomed = TemporaryName.nextTo(folder);
        Files.move(folder, doomed, StandardCopyOption.ATOMIC_MOVE);
        FileTree.delete(doomed);
    }
}
