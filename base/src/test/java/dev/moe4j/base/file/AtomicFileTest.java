package dev.moe4j.base.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {

    @TempDir
    Path folder;

    @Test
    void createsAndReplacesAFile() throws IOException {
        Path target = folder.resolve("a.json");

        AtomicFile.write(target, "é");
        assertThat(target).hasContent("é");
        AtomicFile.write(target, new byte[] {1, 2});

        assertThat(Files.readAllBytes(target)).containsExactly(1, 2);
        assertThat(names()).containsExactly("a.json");
    }

    @Test
    void theTargetStaysAsItWasUntilTheCommit() throws IOException {
        Path target = Files.writeString(folder.resolve("a.json"), "old");

        try (AtomicFile file = new AtomicFile(target)) {
            file.channel().write(ByteBuffer.wrap(new byte[] {'n', 'e', 'w'}));

            assertThat(target).hasContent("old");
            assertThat(file.temporary()).exists();
            assertThat(TemporaryName.matches(file.temporary())).isTrue();
            file.commit();
            assertThat(target).hasContent("new");
        }

        assertThat(names()).containsExactly("a.json");
    }

    @Test
    void closingWithoutACommitLeavesNothing() throws IOException {
        try (AtomicFile file = new AtomicFile(folder.resolve("a.json"))) {
            file.channel().write(ByteBuffer.wrap(new byte[10]));
        }

        assertThat(names()).isEmpty();
    }

    @Test
    void aMissingFolderIsAnError() {
        assertThatThrownBy(() -> AtomicFile.write(folder.resolve("none/a.json"), ""))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void namesOfOtherProgramsAreNotTemporaryNames() {
        assertThat(Stream.of("notes.tmp", "a.0123ABCD.tmp", "a.012.tmp", ".0123abcd.tmp", "a.0123abcd.tmp")
                        .filter(name -> TemporaryName.matches(folder.resolve(name))))
                .containsExactly("a.0123abcd.tmp");
    }

    @Test
    void aFolderIsCommittedInPlaceOfAnOlderOne() throws IOException {
        Path target = Files.createDirectory(folder.resolve("step"));
        Files.writeString(target.resolve("old"), "");
        Path complete = folder.resolve("new");
        Files.createDirectories(complete.resolve("deep"));
        Files.writeString(complete.resolve("deep/a"), "a");
        Path replaced = folder.resolve("replaced");

        AtomicFolder.commit(complete, target, replaced);

        assertThat(names()).containsExactly("replaced", "step");
        assertThat(target.resolve("deep/a")).hasContent("a");
        assertThat(target.resolve("old")).doesNotExist();
        assertThat(replaced.resolve("old")).exists();
    }

    @Test
    void aFolderIsDeletedWithItsContent() throws IOException {
        Files.createDirectories(folder.resolve("step/deep"));
        Files.writeString(folder.resolve("step/deep/a"), "a");

        AtomicFolder.delete(folder.resolve("step"));

        assertThat(names()).isEmpty();
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
