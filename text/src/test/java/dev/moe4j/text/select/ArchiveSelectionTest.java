package dev.moe4j.text.select;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A selection identifies documents by file and position, but an archive may contain the same name twice. */
final class ArchiveSelectionTest {
    @TempDir
    private Path folder;

    private static List<String> texts(TextInput input) {
        List<String> texts = new ArrayList<>();
        input.read(document -> texts.add(document.text()));
        return texts;
    }

    private Path zip(String name, String... namesAndTexts) throws IOException {
        Path file = folder.resolve(name);
        try (var zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (int i = 0; i < namesAndTexts.length; i += 2) {
                zip.putNextEntry(new ZipEntry(namesAndTexts[i]));
                zip.write(namesAndTexts[i + 1].getBytes(StandardCharsets.UTF_8));
            }
        }
        return file;
    }

    @Test
    void archivesOfAPatternMayHaveFilesOfOneName() throws IOException {
        zip("a.zip", "data.txt", "one\n\ntwo\n\none");
        zip("b.zip", "data.txt", "three\n\ntwo\n\nfour");
        TextInput input = TextInput.ofNames(List.of(folder + "/*.zip")).splitting(DocumentBoundary.BLANK_LINE);
        Path selection = folder.resolve("selection");
        Selector.Report report = new Selector(input).exact(true).run(selection, false);
        assertThat(report.sources().keySet()).containsExactly("a", "b");
        assertThat(Files.readString(selection)).contains("\"path\":\"a.zip!data.txt\",\"document\":2");
        assertThat(texts(input.filter(Selection.read(selection)))).containsExactly("one", "two", "three", "four");
    }

    @Test
    void foldersOfArchivesAreTheirSources() throws IOException {
        zip("a.zip", "java.base/A.txt", "one", "java.xml/B.txt", "two");
        zip("b.zip", "java.base/A.txt", "three");
        TextInput input = TextInput.ofNames(List.of(folder + "/*.zip"));
        Selector.Report report = new Selector(input).exact(true).run(folder.resolve("selection"), false);
        assertThat(report.sources().keySet()).containsExactlyInAnyOrder("java.base", "java.xml");
    }

    @Test
    void anArchiveWithTwoFilesOfOneNameIsRefused() throws IOException {
        Path zip = zip("a.zip", "data1.txt", "one\n\ntwo", "data2.txt", "one\n\nthree");
        String bytes = Files.readString(zip, StandardCharsets.ISO_8859_1);
        Files.writeString(zip, bytes.replace("data2", "data1"), StandardCharsets.ISO_8859_1);
        TextInput input = TextInput.of(List.of(zip)).splitting(DocumentBoundary.BLANK_LINE);
        assertThat(texts(input)).containsExactly("one", "two", "one", "three");
        assertThatThrownBy(() -> new Selector(input).exact(true).run(folder.resolve("selection"), false))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("a.zip!data1.txt occurs twice");
    }
}
