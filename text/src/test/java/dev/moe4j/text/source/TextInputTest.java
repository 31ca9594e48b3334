package dev.moe4j.text.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdOutputStream;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class TextInputTest {
    @TempDir
    private Path folder;

    private Path write(String name, String text) throws IOException {
        return write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    private Path write(String name, byte[] bytes) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.write(file, bytes);
    }

    private Path zip(String name, Object... namesAndContents) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (int i = 0; i < namesAndContents.length; i += 2) {
                zip.putNextEntry(new ZipEntry((String) namesAndContents[i]));
                Object content = namesAndContents[i + 1];
                zip.write(content instanceof byte[] b ? b : ((String) content).getBytes(StandardCharsets.UTF_8));
                zip.closeEntry();
            }
        }
        return write(name, bytes.toByteArray());
    }

    private static List<Document> documents(TextInput input) {
        List<Document> documents = new ArrayList<>();
        input.read(documents::add);
        return documents;
    }

    private static List<String> texts(TextInput input) {
        return documents(input).stream().map(Document::text).toList();
    }

    private static List<String> paths(TextInput input) {
        return documents(input).stream().map(d -> d.file().path()).toList();
    }

    private static TextInput input(Path... paths) {
        return TextInput.of(List.of(paths));
    }

    @Test
    void foldersAreReadInTheOrderOfTheirPaths() throws IOException {
        write("b/x.txt", "1\n");
        write("a.txt", "2");
        write("a/z", "3");
        write("a/B/y.md", "4");
        write("a-b", "5\r\n");
        assertThat(paths(input(folder))).containsExactly("a-b", "a.txt", "a/B/y.md", "a/z", "b/x.txt");
        assertThat(texts(input(folder))).containsExactly("5\r\n", "2", "4", "3", "1\n");
        assertThat(texts(input(folder.resolve("b"), folder.resolve("a.txt")))).containsExactly("1\n", "2");
        assertThat(input(folder).bytes()).isEqualTo(8);
        assertThat(input(folder).sources()).containsExactly(folder.toString());
    }

    @Test
    void whatIsNoTextIsLeftOutAndCounted() throws IOException {
        write("binary", new byte[] {'a', 0, 'b'});
        write("latin1.txt", new byte[] {'a', (byte) 0xe9, 'b'});
        write("empty", "");
        write("ok.png", "text, whatever its name");
        write("replacement", "\ufffd is a character too");
        zip("inner.zip", "a", "b");
        List<Document> documents = new ArrayList<>();
        Skipped skipped = input(folder).read(documents::add);
        assertThat(documents).extracting(d -> d.file().path()).containsExactly("ok.png", "replacement");
        assertThat(skipped.counts())
                .containsOnly(
                        entry(Skipped.Reason.BINARY, 1L),
                        entry(Skipped.Reason.INVALID_UTF8, 1L),
                        entry(Skipped.Reason.EMPTY, 1L),
                        entry(Skipped.Reason.ARCHIVE, 1L));
        assertThat(skipped.total()).isEqualTo(4);
        assertThat(skipped)
                .asString()
                .contains("1 binary (")
                .contains("latin1.txt")
                .doesNotContain("\n");
    }

    @ParameterizedTest
    @CsvSource({"FILE", "BLANK_LINE"})
    void aNamedFileThatIsNoTextIsAnError(DocumentBoundary splitting) throws IOException {
        Path binary = write("binary", new byte[] {'a', 0, 'b'});
        Path latin1 = write("latin1", new byte[] {'a', '\n', '\n', (byte) 0xe9, 'b'});
        Path cut = write("cut", new byte[] {'a', (byte) 0xe2, (byte) 0x82});
        Path empty = write("empty", "");
        Path good = write("good", "x");
        for (Path bad : List.of(binary, latin1, cut, empty)) {
            assertThatThrownBy(() -> texts(input(good, bad).splitting(splitting)))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("no text in " + bad)
                    .hasMessageContaining("UTF-8");
        }
    }

    @Test
    void nothingLeftIsAnError() throws IOException {
        assertThatThrownBy(() -> input(folder.resolve("missing")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("missing: it does not exist");
        assertThatThrownBy(() -> input(folder))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("is empty");
        assertThatThrownBy(() -> input()).isInstanceOf(DataException.class).hasMessageContaining("no input");
        write("binary", new byte[] {0});
        assertThatThrownBy(() -> texts(input(folder)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("left out: 1 binary");
        write("text", "x");
        assertThatThrownBy(() -> texts(input(folder).keep(_ -> false))).isInstanceOf(DataException.class);
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void linksAreFollowedAndLoopsNoticed() throws IOException {
        write("a/text", "x");
        Files.createSymbolicLink(folder.resolve("a/loop"), folder);
        Files.createSymbolicLink(folder.resolve("a/self"), Path.of("self"));
        Files.createSymbolicLink(folder.resolve("dangling"), Path.of("nowhere"));
        Files.createSymbolicLink(folder.resolve("b"), folder.resolve("a/text"));
        List<Document> documents = new ArrayList<>();
        Skipped skipped = input(folder).read(documents::add);
        assertThat(documents).extracting(d -> d.file().path()).containsExactly("a/text", "b");
        assertThat(skipped.counts())
                .containsOnly(entry(Skipped.Reason.LINK_LOOP, 1L), entry(Skipped.Reason.BROKEN_LINK, 2L));
        assertThatThrownBy(() -> input(Path.of("/dev/null")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("neither a folder nor a regular file");
    }

    @Test
    void archivesAreReadInTheirOwnOrder() throws IOException {
        Path zip = zip(
                "src.zip",
                "m.b/B.java",
                "class B {}\n",
                "m.b/",
                "",
                "m.a/A.java",
                "class A {}\n",
                "m.a/A.class",
                new byte[] {(byte) 0xca, (byte) 0xfe, 0});
        List<Document> documents = new ArrayList<>();
        Skipped skipped = input(zip).read(documents::add);
        assertThat(documents).extracting(Document::text).containsExactly("class B {}\n", "class A {}\n");
        assertThat(documents).extracting(d -> d.file().group()).containsExactly("m.b", "m.a");
        assertThat(skipped.counts()).containsOnly(entry(Skipped.Reason.BINARY, 1L));
        assertThat(paths(input(zip).keep(f -> !f.group().equals("m.b")))).containsExactly("m.a/A.java");
        assertThatThrownBy(() -> texts(input(zip("none.zip")))).isInstanceOf(DataException.class);
    }

    @Test
    void namesInArchivesAreNeverPaths() throws IOException {
        Path zip = zip("evil.zip", "../../escape.txt", "x", "/etc/absolute", "y", "line\nbreak\u001b[31m\0", "\0");
        List<Document> documents = new ArrayList<>();
        Skipped skipped = input(zip).read(documents::add);
        assertThat(documents).extracting(Document::text).containsExactly("x", "y");
        assertThat(folder.resolve("../escape.txt")).doesNotExist();
        assertThat(skipped).asString().doesNotContain("\n").doesNotContain("\u001b");
    }

    @ParameterizedTest
    @CsvSource({"FILE", "BLANK_LINE"})
    void bombsAreRefused(DocumentBoundary splitting) throws IOException {
        byte[] megabyte = "a".repeat(1 << 20).getBytes(StandardCharsets.UTF_8);
        Path one = zip("one.zip", "bomb", megabyte);
        Path many = zip("many.zip", "1", megabyte, "2", megabyte, "3", megabyte);
        Limits free = new Limits(1 << 28, 1 << 30, 1 << 30, 100, 1 << 22);
        assertThat(texts(input(many).splitting(splitting).limits(free))).hasSize(3);
        Limits ratio = new Limits(1 << 28, 1 << 30, 1 << 30, 100, 1 << 19);
        assertThatThrownBy(() -> texts(input(one).splitting(splitting).limits(ratio)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("the entry bomb of")
                .hasMessageContaining("zip bomb");
        Limits together = new Limits(1 << 28, 1 << 30, 1 << 30, 100, 3 << 19);
        assertThatThrownBy(() -> texts(input(many).splitting(splitting).limits(together)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("the archive")
                .hasMessageContaining("zip bomb");
        Limits entry = new Limits(1 << 28, 1 << 19, 1 << 30, 1 << 20, 0);
        assertThatThrownBy(() -> texts(input(one).splitting(splitting).limits(entry)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("unpacks to more than 524288 bytes");
        Limits archive = new Limits(1 << 28, 1 << 30, 5 << 19, 1 << 20, 0);
        assertThatThrownBy(() -> texts(input(many).splitting(splitting).limits(archive)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("the archive");
    }

    @Test
    void damagedArchivesAreErrors() throws IOException {
        byte[] good = Files.readAllBytes(zip("good.zip", "entry", "some text that is stored somehow"));
        byte[] cut = java.util.Arrays.copyOf(good, good.length - 30);
        Path file = write("cut.zip", cut);
        assertThatThrownBy(() -> texts(input(file)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cut.zip");
        Generator random = new Generator("damagedArchivesAreErrors");
        for (int i = 0; i < 300; i++) {
            byte[] bad = good.clone();
            bad[4 + random.below(bad.length - 4)] ^= (byte) (1 + random.below(255));
            Path path = write("bad.zip", bad);
            try {
                assertThat(texts(input(path))).containsExactly("some text that is stored somehow");
            } catch (DataException e) {
                assertThat(e).hasMessageContaining("bad.zip");
            }
        }
    }

    @Test
    void blankLinesSeparateDocuments() throws IOException {
        Path file = write("c.txt", "\n\na\nb\n\n\nc \n \nd\n\r\n\u00e9\r\nf\r\n\r\n\ng");
        TextInput input = input(file).splitting(DocumentBoundary.BLANK_LINE);
        assertThat(texts(input)).containsExactly("a\nb", "c \n \nd", "\u00e9\r\nf", "g");
        assertThat(documents(input)).extracting(Document::part).containsExactly(0L, 1L, 2L, 3L);
        assertThat(texts(input(file))).hasSize(1);
        write("only", "\n\n\r\n");
        assertThat(texts(input(folder).splitting(DocumentBoundary.BLANK_LINE))).hasSize(4);
    }

    @Test
    void blankLinesSeparateDocumentsOfAnyLength() throws IOException {
        Generator random = new Generator("blankLinesSeparateDocumentsOfAnyLength");
        List<String> expected = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 200; i++) {
            String document = random.text(2000).replaceAll("[\r\n\0]+", "\n").strip();
            if (!document.isEmpty()) {
                expected.add(document);
                text.append(document).append("\n".repeat(2 + random.below(3)));
            }
        }
        Path file = write("c.txt", text.toString());
        assertThat(texts(input(file).splitting(DocumentBoundary.BLANK_LINE))).isEqualTo(expected);
    }

    @Test
    void longDocumentsAreRefused() throws IOException {
        write("x", "0123456789\n\nab\n\n");
        Limits limits = new Limits(10, 1 << 30, 1 << 30, 100, 0);
        assertThatThrownBy(() -> texts(input(folder).limits(limits)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("longer than 10 bytes");
        write("x", "0123456\n\nab\n\n012345");
        assertThat(texts(input(folder).limits(new Limits(30, 1, 1, 1, 0)).splitting(DocumentBoundary.BLANK_LINE)))
                .hasSize(3);
    }

    @Test
    void compressedTextIsRead() throws IOException {
        String text = "some text\n".repeat(1000);
        byte[] plain = text.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream gzip = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(gzip)) {
            out.write(plain);
        }
        ByteArrayOutputStream longWindow = new ByteArrayOutputStream();
        try (ZstdOutputStream out = new ZstdOutputStream(longWindow).setLong(30)) {
            out.write(plain);
        }
        ByteArrayOutputStream twoFrames = new ByteArrayOutputStream();
        twoFrames.write(Zstd.compress(plain));
        twoFrames.write(Zstd.compress(plain));
        write("1.gz", gzip.toByteArray());
        write("2.zst", longWindow.toByteArray());
        write("3", twoFrames.toByteArray());
        assertThat(texts(input(folder))).containsExactly(text, text, text + text);
        assertThat(documents(input(folder.resolve("1.gz"))))
                .extracting(d -> d.file().group())
                .containsExactly("1");

        for (byte[] whole : List.of(gzip.toByteArray(), longWindow.toByteArray())) {
            Path cut = write("cut", java.util.Arrays.copyOf(whole, whole.length - 5));
            assertThatThrownBy(() -> texts(input(cut)))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("cannot read")
                    .hasMessageContaining("cut");
        }
    }

    @Test
    void runsOfSpacesCollapse() throws IOException {
        Path file = write("x", "  a b\t c\td \t\n\n    e\u00a0\u00a0f  ");
        assertThat(texts(input(file).transform(TextTransform.COLLAPSE_SPACES)))
                .containsExactly(" a b c\td \n\n e\u00a0\u00a0f ");
        assertThat(texts(input(file))).containsExactly("  a b\t c\td \t\n\n    e\u00a0\u00a0f  ");
    }

    @Test
    void groupsAreTheFirstComponentOrTheName() {
        assertThat(new TextFile("x", "java.base/java/lang/String.java").group()).isEqualTo("java.base");
        assertThat(new TextFile("x", "wikipedia.txt.zst").group()).isEqualTo("wikipedia");
        assertThat(new TextFile("x", ".hidden").group()).isEqualTo(".hidden");
        assertThat(new TextFile("x", "README").group()).isEqualTo("README");
        assertThat(new TextFile("x", "/absolute").group()).isEqualTo("/absolute");
    }

    @Test
    void documentsAreKeptOneByOne() throws IOException {
        Path file = write("many.txt", "one\n\ntwo\n\nthree");
        TextInput blank = input(file).splitting(DocumentBoundary.BLANK_LINE);
        assertThat(texts(blank.keepDocuments(document -> document.part() != 1))).hasSize(2);
        assertThat(texts(blank.keepDocuments(document -> document.text().startsWith("two"))))
                .hasSize(1);
        assertThatThrownBy(() -> texts(blank.keepDocuments(_ -> false))).isInstanceOf(DataException.class);
        assertThat(blank.files()).extracting(TextFile::path).containsExactly("many.txt");
    }
}
