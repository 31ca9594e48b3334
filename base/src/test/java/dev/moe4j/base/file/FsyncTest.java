package dev.moe4j.base.file;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class FsyncTest {

    @TempDir
    Path folder;

    /** The /proc file system rejects forcing folders and files with "Invalid argument". */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aFileSystemThatRefusesFoldersIsNoFailureAndOneThatRefusesFilesIs() {
        assertThatCode(() -> Fsync.folder(Path.of("/proc/self"))).doesNotThrowAnyException();
        assertThatThrownBy(() -> Fsync.tree(Path.of("/proc/self/comm"))).isInstanceOf(IOException.class);
    }

    @Test
    void aMissingFolderIsAFailure() throws IOException {
        Files.createDirectories(folder.resolve("deep"));
        Fsync.tree(folder);
        assertThatThrownBy(() -> Fsync.folder(folder.resolve("none"))).isInstanceOf(NoSuchFileException.class);
    }
}
