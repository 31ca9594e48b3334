package dev.moe4j.parallel.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CodeVersionTest {

    @TempDir
    private Path folder;

    @Test
    void changesWithOurCodeAndWithTheNamesOfOthers() throws IOException {
        Path ours = Files.writeString(folder.resolve("moe4j-model-1.jar"), "a");
        Path others = Files.writeString(folder.resolve("other-1.0.jar"), "a");
        String before = CodeVersion.of(ours);
        assertThat(before).matches("[0-9a-f]{12}");
        Files.writeString(others, "b");
        assertThat(CodeVersion.of(ours)).isEqualTo(before);
        Files.writeString(ours, "b");
        assertThat(CodeVersion.of(ours)).isNotEqualTo(before);
        Files.writeString(ours, "a");
        Files.move(others, folder.resolve("other-1.1.jar"));
        assertThat(CodeVersion.of(ours)).isNotEqualTo(before);
    }

    /** A file next to the jars may be larger than the Java heap. */
    @Test
    void filesOtherThanJarsAreNotRead() throws IOException {
        Path ours = Files.writeString(folder.resolve("moe4j-parallel-1.jar"), "a");
        String before = CodeVersion.of(ours);
        try (RandomAccessFile large =
                new RandomAccessFile(folder.resolve("corpus.bin").toFile(), "rw")) {
            large.setLength(3L << 30); // sparse: it takes no space
        }
        Files.createDirectory(folder.resolve("runs"));
        Files.writeString(folder.resolve("runs").resolve("moe4j-old.jar"), "b");
        assertThat(CodeVersion.of(ours)).isEqualTo(before);
    }

    @Test
    void aJarOfAnyNameCountsByItsContent() throws IOException {
        Path single = Files.writeString(folder.resolve("application.jar"), "a");
        String before = CodeVersion.of(single);
        Files.writeString(single, "b");
        assertThat(CodeVersion.of(single)).isNotEqualTo(before);
    }

    @Test
    void aFolderOfClassesCountsByItsContent() throws IOException {
        Path inner = Files.createDirectory(folder.resolve("inner"));
        Files.writeString(inner.resolve("Some.class"), "a");
        String before = CodeVersion.of(folder);
        Files.writeString(inner.resolve("Some.class"), "b");
        assertThat(CodeVersion.of(folder)).isNotEqualTo(before);
    }

    @Test
    void thisCodeHasOne() {
        assertThat(CodeVersion.here()).matches("[0-9a-f]{12}").isEqualTo(CodeVersion.here());
    }
}
