package dev.moe4j.text.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Inputs that are named by patterns. */
final class PatternTest {
    @TempDir
    private Path folder;

    private void write(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private static List<String> texts(TextInput input) {
        List<String> texts = new ArrayList<>();
        input.read(document -> texts.add(document.text()));
        return texts;
    }

    private static Map<String, Long> skipped(TextInput input) {
        return input.read(document -> assertThat(document.text()).isEqualTo("a"))
                .byName();
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void brokenLinksThatAPatternNamesAreCounted() throws IOException {
        write("data/a.txt", "a");
        Files.createSymbolicLink(folder.resolve("data/b.txt"), Path.of("nowhere"));
        Files.createSymbolicLink(folder.resolve("data/c.md"), Path.of("nowhere"));
        TextInput input = TextInput.ofNames(List.of(folder.resolve("data") + "/*.txt"));
        assertThat(skipped(input)).isEqualTo(Map.of("broken_link", 1L));
        write("data/folder/d.txt", "d");
        TextInput all = TextInput.ofNames(List.of(folder.resolve("data") + "/*"));
        assertThat(skipped(all)).as("a folder is no file that was lost").isEqualTo(Map.of("broken_link", 2L));
        assertThatThrownBy(() -> TextInput.ofNames(
                        List.of(folder.resolve("data").toString(), folder.resolve("data") + "/*.csv")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no file matches");
    }

    @Test
    void patternsNameFiles() throws IOException {
        write("data/b.txt", "b");
        write("data/a.txt", "a");
        write("data/x/c.txt", "c");
        write("data/x/d.md", "d");
        write("data/[e].txt", "e");
        String base = folder.resolve("data").toString();
        assertThat(texts(TextInput.ofNames(List.of(base + "/*.txt")))).containsExactly("e", "a", "b");
        assertThat(texts(TextInput.ofNames(List.of(base + "/**/*.txt")))).containsExactly("e", "a", "b", "c");
        assertThat(texts(TextInput.ofNames(List.of(base + "/x/?.{md,txt}")))).containsExactly("c", "d");
        assertThat(texts(TextInput.ofNames(List.of(base + "/[e].txt"))))
                .as("a file of that name")
                .containsExactly("e");
        assertThat(TextInput.ofNames(List.of(base + "/*.txt")).sources()).containsExactly(base + "/*.txt");
        assertThatThrownBy(() -> TextInput.ofNames(List.of(base + "/*.csv")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no file matches");
        assertThatThrownBy(() -> TextInput.ofNames(List.of(base + "/{a.txt")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("the pattern");
    }

    @ParameterizedTest
    @CsvSource({
        "*.txt, closed, false",
        "x/*.txt, x, true",
        "x/*.txt, closed, false",
        "x/*.txt, x/a.txt, true",
        "x/*.txt, x/a.md, false",
        "[x-z]?/*/a, y1/b, true",
        "[x-z]?/*/a, y/b, false",
        "x/**/a.txt, closed, false",
        "x/**/a.txt, x/closed/b, true",
        "**, closed, true",
        "'{x,y}/*', closed, false",
        "'{x/y,z}/*', closed, true",
    })
    void whatAPatternCannotReachNeedsNotBeRead(String pattern, Path unreadable, boolean reached) {
        assertThat(FileList.mayReach(pattern, unreadable)).isEqualTo(reached);
    }

    @ParameterizedTest
    @CsvSource({
        "data/*.txt, /, data/, *.txt",
        "*.txt, /, '', *.txt",
        "a/b/**/?.txt, /, a/b/, **/?.txt",
        "data\\*.txt, \\, data/, *.txt",
        "C:\\data\\x\\**\\*.txt, \\, C:/data/x/, **/*.txt",
        "C:/data\\a[bc].txt, \\, C:/data/, a[bc].txt",
        "*.txt, \\, '', *.txt",
        "data/a\\*b*.txt, /, data/, a\\*b*.txt",
    })
    void aPatternIsSplitByTheSystemsSeparator(String pattern, char separator, String folder, String below) {
        assertThat(FileList.SplitPattern.of(pattern, separator)).isEqualTo(new FileList.SplitPattern(folder, below));
    }

    @Test
    void aNameThatCannotBeAPathIsAnError() {
        assertThatThrownBy(() -> TextInput.ofNames(List.of("a\0b")))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("\"a?b\" is not a path: ");
        assertThatThrownBy(() -> TextInput.ofNames(List.of("a\0b/*.txt")))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("\"a?b/\" is not a path: ");
    }

    /** This also holds if another input cannot be read. */
    @Test
    void aPatternOfNothingIsAlwaysRefused() throws IOException {
        write("data/a.txt", "a");
        String base = folder.resolve("data").toString();
        assertThatThrownBy(() -> TextInput.ofNames(List.of(folder.resolve("nowhere") + "/*", base + "/*.csv")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no file matches " + base + "/*.csv");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThatThrownBy(() -> TextInput.ofNames(List.of(folder.resolve("nowhere") + "/*", empty.toString())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("empty is empty");
    }
}
