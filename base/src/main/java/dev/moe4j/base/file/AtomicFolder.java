package dev.moe4j.base.file;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Folders that appear under their names when they are complete, and disappear before they are incomplete. */
public final class AtomicFolder {

    private AtomicFolder() {}

    /**
     * Forces a complete folder to the disk, renames it, and forces the rename to the disk.
     *
     * @param complete a folder on the same file system as the target
     * @param target the folder's new name
     * @param replaced the name that an older folder at {@code target} is moved to; nothing may have that name
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
     * Renames a folder, then deletes it with everything in it: an interrupted deletion leaves no part of the folder under
     * its name.
     */
    public static void delete(Path folder) throws IOException {
        Path doomed = TemporaryName.nextTo(folder);
        Files.move(folder, doomed, StandardCopyOption.ATOMIC_MOVE);
        FileTree.delete(doomed);
    }
}
