package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Input beyond bounds, folders that do not let themselves be read, and disks that are full. */
final class BadInputTest {
    private static final List<String> SMALL_HEAP = List.of("-Xmx48m");

    @TempDir
    private Path folder;

    /** Writes a line of {@code mebibytes} MiB, one gzip member per MiB. The file is a thousand times smaller. */
    private Path line(String name, int mebibytes, String head, String tail) throws IOException {
        Path file = folder.resolve(name);
        byte[] block = new byte[1 << 20];
        Arrays.fill(block, (byte) 'x');
        byte[] member = gzip(block);
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            out.write(gzip(head.getBytes(StandardCharsets.UTF_8)));
            for (int i = 0; i < mebibytes; i++) {
                out.write(member);
            }
            out.write(gzip(tail.getBytes(StandardCharsets.UTF_8)));
        }
        return file;
    }

    private static byte[] gzip(byte[] plain) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(bytes)) {
            out.write(plain);
        }
        return bytes.toByteArray();
    }

    private String prepare(int expected, OnError onError, DocumentBoundary splitting, Path out, Path... inputs)
            throws IOException, InterruptedException {
        Path log = folder.resolve("log");
        Process process = PrepareProcess.start(log, SMALL_HEAP, out, 1 << 30, onError, splitting, inputs);
        assertThat(process.waitFor()).as(Files.readString(log)).isEqualTo(expected);
        return Files.readString(log);
    }

    private static void assertDocuments(Path out, String... texts) {
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.train().documents()).isEqualTo(texts.length);
            for (int i = 0; i < texts.length; i++) {
                assertThat(shards.tokenizer().decode(shards.train().document(i)))
                        .isEqualTo(texts[i]);
            }
        }
    }

    @Test
    void aLineOfAGigabyteNeedsNoMemory() throws IOException, InterruptedException {
        Path json = line("a.jsonl.gz", 1024, "{\"text\":\"one\"}\n{\"text\":\"", "\"}\n{\"text\":\"two\"}\n");
        Path text = line("b.txt.gz", 128, "three\n\n", "\n\nfour\n");
        assertThat(prepare(1, OnError.FAIL, DocumentBoundary.FILE, folder.resolve("no"), json))
                .contains("a.jsonl.gz line 2 is longer than 1048576 bytes");
        assertThat(prepare(1, OnError.FAIL, DocumentBoundary.FILE, folder.resolve("no"), text))
                .contains("b.txt.gz is longer than 1048576 bytes");
        Path out = folder.resolve("out");
        assertThat(prepare(0, OnError.SKIP, DocumentBoundary.BLANK_LINE, out, json, text))
                .contains("2 too large (")
                .contains("a.jsonl.gz line 2")
                .contains("document 1 of ")
                .contains("b.txt.gz");
        assertDocuments(out, "one", "two", "three", "four");
    }

    @Test
    void whatTheHeapCannotHoldIsNeverLeftOut() throws IOException {
        long most = Runtime.getRuntime().maxMemory() / 10;
        assumeTrue(most < 1 << 30, "the heap holds the largest document there may be");
        Limits limits = Limits.DEFAULT.documentBytes(1 << 30);
        assertThatThrownBy(() -> limits.tooLong("it"))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("it is longer than " + most + " bytes, too much for this heap")
                .hasMessageContaining("-Xmx10241m");
        assertThat(limits.documentBytes(10).tooLong("it").reason()).isEqualTo(Skipped.Reason.TOO_LONG);
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aFolderThatIsClosedIsAnErrorOrCounted() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        Files.writeString(texts.resolve("a"), "open");
        Files.writeString(Files.createDirectory(texts.resolve("opened")).resolve("a"), "open");
        Path closed = Files.createDirectory(texts.resolve("closed"));
        Files.writeString(closed.resolve("b"), "inside");
        Path file = Files.writeString(texts.resolve("c"), "closed");
        assertThat(closed.toFile().setReadable(false)).isTrue();
        assertThat(closed.toFile().setExecutable(false)).isTrue();
        assertThat(file.toFile().setReadable(false)).isTrue();
        try {
            assumeFalse(Files.isReadable(closed), "root reads everything");
            TextInput input = TextInput.of(List.of(texts));
            assertThatThrownBy(() -> input.read(_ -> {}))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("closed: permission denied");
            Skipped skipped =
                    input.onError(OnError.SKIP).read(d -> assertThat(d.text()).isEqualTo("open"));
            assertThat(skipped.byName()).containsOnly(java.util.Map.entry("unreadable", 2L));
            TextInput matched = TextInput.ofNames(List.of(texts + "/open*/a"));
            assertThat(matched.read(_ -> {}).byName())
                    .as("no file in it was named")
                    .isEmpty();
            assertThatThrownBy(() -> TextInput.ofNames(List.of(texts + "/c*/b")).read(_ -> {}))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("closed: permission denied");
        } finally {
            assertThat(closed.toFile().setReadable(true)).isTrue();
            assertThat(closed.toFile().setExecutable(true)).isTrue();
        }
    }

    /** A file that was deleted before it is read counts as unreadable, also if the test runs as root. */
    @Test
    void aFileThatIsGoneIsAnErrorOrCounted() throws IOException {
        Path gone = Files.writeString(folder.resolve("gone"), "x");
        Files.writeString(folder.resolve("there"), "there");
        TextInput input = TextInput.of(List.of(folder));
        Files.delete(gone);
        assertThatThrownBy(() -> input.read(_ -> {}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("gone: it does not exist");
        Skipped skipped =
                input.onError(OnError.SKIP).read(d -> assertThat(d.text()).isEqualTo("there"));
        assertThat(skipped.byName()).containsOnly(java.util.Map.entry("unreadable", 1L));
    }

    @Test
    void aDamagedEntryOfAnArchiveIsOneLoss() throws IOException {
        Path zip = folder.resolve("a.zip");
        try (var out = new java.util.zip.ZipOutputStream(Files.newOutputStream(zip))) {
            out.setLevel(0);
            for (String name : List.of("one", "two", "three")) {
                out.putNextEntry(new java.util.zip.ZipEntry(name));
                out.write(("text " + name).getBytes(StandardCharsets.UTF_8));
            }
        }
        byte[] bytes = Files.readAllBytes(zip);
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("text two");
        bytes[at + 6] = 'o';
        Files.write(zip, bytes);
        TextInput input = TextInput.of(List.of(zip));
        assertThatThrownBy(() -> input.read(_ -> {}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("a.zip!two: its checksum is wrong");
        List<String> texts = new java.util.ArrayList<>();
        Skipped skipped = input.onError(OnError.SKIP).read(d -> texts.add(d.text()));
        assertThat(texts).containsExactly("text one", "text three");
        assertThat(skipped.byName()).containsOnly(java.util.Map.entry("damaged", 1L));
    }

    /** A file system of one mebibyte, where the system lets one be made. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aFullDiskKeepsWhatIsWhole() throws IOException, InterruptedException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        for (int i = 0; i < 30; i++) {
            Files.writeString(texts.resolve("%02d".formatted(i)), ("document " + i + " ").repeat(5000));
        }
        Path disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.toString()) == 0, "may not mount");
        try {
            Path out = disk.resolve("out");
            Preparation preparation =
                    new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(texts)), out).shardBytes(100_000);
            assertThatThrownBy(preparation::run)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("No space left on device")
                    .hasMessageContaining("free some space");
            try (Stream<Path> parts = Files.list(disk.resolve(".out.partial/parts"))) {
                assertThat(parts.count()).isGreaterThan(1);
            }
            assertThat(out).doesNotExist();
            assertThat(run("mount", "-o", "remount,size=64m", disk.toString())).isZero();
            preparation.run();
            Path wanted = folder.resolve("wanted");
            new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(texts)), wanted)
                    .shardBytes(100_000)
                    .run();
            assertThat(Files.readString(out.resolve("manifest.json")))
                    .isEqualTo(Files.readString(wanted.resolve("manifest.json")));
            Manifest.read(out).verify(out);
        } finally {
            assertThat(run("umount", disk.toString())).isZero();
        }
    }

    /** A mount point cannot be replaced by another folder. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aMountPointIsRefusedBeforeTheWork() throws IOException, InterruptedException {
        Path text = Files.writeString(folder.resolve("a.txt"), "text");
        Path disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.toString()) == 0, "may not mount");
        try {
            boolean[] worked = {false};
            Preparation preparation = new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), disk)
                    .onProgress(_ -> worked[0] = true);
            assertThatThrownBy(preparation::run)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("cannot replace the folder " + disk)
                    .hasMessageContaining("choose another output folder, for example one inside it");
            assertThat(worked[0]).isFalse();
        } finally {
            assertThat(run("umount", disk.toString())).isZero();
        }
    }

    private static int run(String... command) throws InterruptedException {
        try {
            return new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (IOException e) {
            return -1; // there is no such command
        }
    }
}
