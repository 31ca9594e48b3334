package dev.moe4j.text.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReadProgressTest {
    private static final int DOCUMENTS = 400;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"text.txt", "text.txt.gz", "records.jsonl", "texts.zip"})
    void itMovesWithinAFile(String name) throws IOException {
        Path file = folder.resolve(name);
        write(file);
        long size = Files.size(file);
        TextInput input = TextInput.of(List.of(file)).format(TextFormat.AUTO).splitting(DocumentBoundary.BLANK_LINE);
        long[] read = {0};
        List<Long> readAtDocument = new ArrayList<>();
        input.read(input.items(), _ -> readAtDocument.add(read[0]), new Skipped(), bytes -> {
            assertThat(bytes).isPositive();
            read[0] += bytes;
        });
        assertThat(read[0]).isEqualTo(size);
        assertThat(readAtDocument).hasSize(DOCUMENTS);
        assertThat(readAtDocument.getFirst()).isLessThan(size / 4);
        assertThat(readAtDocument.get(DOCUMENTS / 2)).isBetween(size / 4, 3 * size / 4);
    }

    /** 4 MiB before it is compressed. */
    private static void write(Path file) throws IOException {
        String name = file.getFileName().toString();
        try (OutputStream out = Files.newOutputStream(file)) {
            if (name.endsWith(".gz")) {
                try (OutputStream gzip = new GZIPOutputStream(out)) {
                    write(gzip, 0, DOCUMENTS, false);
                }
            } else if (name.endsWith(".zip")) {
                try (ZipOutputStream zip = new ZipOutputStream(out)) {
                    for (int i = 0; i < 4; i++) {
                        zip.putNextEntry(new ZipEntry(i + ".txt"));
                        write(zip, i * DOCUMENTS / 4, DOCUMENTS / 4, false);
                        zip.closeEntry();
                    }
                }
            } else {
                write(out, 0, DOCUMENTS, name.endsWith(".jsonl"));
            }
        }
    }

    private static void write(OutputStream out, int first, int count, boolean records) throws IOException {
        for (int i = first; i < first + count; i++) {
            String text = new Random(i)
                    .ints(10_000, 'a', 'z' + 1)
                    .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                    .toString();
            out.write((records ? "{\"text\": \"" + text + "\"}\n" : text + "\n\n").getBytes(StandardCharsets.UTF_8));
        }
    }
}
