package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdOutputStream;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.prepare.WorkShare;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.compression.GzipStream;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.DocumentReader;
import dev.moe4j.text.source.DocumentSink;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.ReadOptions;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextFile;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.XZOutputStream;

/** Reads files of records, compressed files and standard input, intact and damaged. */
final class RecordTest {
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

    private static TextInput input(Path... paths) {
        return TextInput.of(List.of(paths)).format(TextFormat.AUTO);
    }

    private static List<String> texts(TextInput input) {
        List<String> texts = new ArrayList<>();
        input.read(document -> texts.add(document.text()));
        return texts;
    }

    /** Skips bad input, checks the texts read, and returns the counts of skipped input. */
    private static Map<String, Long> skipped(TextInput input, String... texts) {
        List<String> read = new ArrayList<>();
        Skipped skipped = input.onError(OnError.SKIP).read(document -> read.add(document.text()));
        assertThat(read).containsExactly(texts);
        return skipped.byName();
    }

    private static void assertFails(TextInput input, String... words) {
        assertThatThrownBy(() -> texts(input))
                .isInstanceOf(DataException.class)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n").contains(words));
    }

    @Test
    void jsonLines() throws IOException {
        String first =
                "\ufeff{\"id\": 1, \"text\": \"one\\nline \\u00e9\\ud83d\\ude00\", \"meta\": {\"text\": \"no\"}}\r";
        String second = "{\"text\": \"two\", \"x\": [1, {\"y\": null}], \"body\": \"other\"}";
        String third = "{\"body\": \"last\", \"text\": \"three\"}";
        Path file = write("a.jsonl", String.join("\n", first, "", second, third));
        assertThat(texts(input(file))).containsExactly("one\nline é😀", "two", "three");
        assertFails(input(file).field("body"), "a.jsonl line 1 has no text named \"body\"");
        assertThat(skipped(input(file).field("body"), "other", "last")).isEqualTo(Map.of("no_field", 1L));
        List<Document> documents = new ArrayList<>();
        input(file).read(documents::add);
        assertThat(documents).extracting(Document::part).containsExactly(0L, 2L, 3L);
        assertThat(texts(input(file).format(TextFormat.TEXT))).hasSize(1);
        assertThat(texts(input(write("b.txt", "{\"text\":\"x\"}")).format(TextFormat.JSONL)))
                .containsExactly("x");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "no json",
                "{\"text\": \"cut",
                "{\"text\": \"x\"",
                "{\"text\": \"x\"} {\"text\": \"y\"}",
                "[\"text\", \"x\"]",
                "{\"text\": \"tab\there\"}"
            })
    void badJsonIsOneRecord(String line) throws IOException {
        Path file = write("a.jsonl", "{\"text\": \"good\"}\n" + line + "\n{\"text\": \"also\"}\n");
        assertFails(input(file), "a.jsonl line 2 ", "skip bad input");
        assertThat(skipped(input(file), "good", "also")).isEqualTo(Map.of("malformed", 1L));
    }

    /** A file of the resources. */
    private static Path resource(String name) {
        URL url = RecordTest.class.getResource("cases/" + name);
        assertThat(url).as(name).isNotNull();
        return Path.of(URI.create(String.valueOf(url)));
    }

    /** A library's limits on values beside the text are not this program's. */
    @ParameterizedTest
    @ValueSource(strings = {"deep.jsonl", "long-number.jsonl", "long-key.jsonl"})
    void whatStandsBesideTheTextMayBeLarge(String name) {
        assertThat(texts(input(resource(name)))).hasSize(1);
    }

    @Test
    void textThatWouldBeChangedSilentlyIsRefused() {
        Path twice = resource("duplicate-key.jsonl");
        assertFails(input(twice), "duplicate-key.jsonl line 1 has \"text\" more than once");
        Path half = resource("lone-surrogate.jsonl");
        assertFails(input(half), "lone-surrogate.jsonl line 1 has half of a surrogate pair");
        assertThat(skipped(input(twice, half), "x\ufffdy")).isEqualTo(Map.of("malformed", 2L));
    }

    @Test
    void theMessageAboutBadJsonShowsThePlace() {
        assertThatThrownBy(() -> texts(input(resource("nan.jsonl"))))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("nan.jsonl line 1 is not JSON: mistake near character 1")
                .hasMessageContaining("NaN")
                .hasMessageNotContaining("Feature");
    }

    @Test
    void recordsWithoutTextAreCounted() throws IOException {
        Path file = write("a.jsonl", "{\"text\": null}\n{\"text\": 5}\n{}\n{\"text\": \"\"}\n{\"text\": \"good\"}\n");
        assertThat(skipped(input(file), "good")).isEqualTo(Map.of("no_field", 3L, "empty", 1L));
        byte[] latin1 = "{\"text\": \"é\"}\n{\"text\": \"good\"}\n".getBytes(StandardCharsets.ISO_8859_1);
        Path bad = write("b.jsonl", latin1);
        assertFails(input(bad), "b.jsonl line 1 is invalid UTF-8");
        assertThat(skipped(input(bad), "good")).isEqualTo(Map.of("invalid_utf8", 1L));
        Path empty = write("empty.jsonl", "");
        assertFails(input(empty), "empty.jsonl: it is empty");
        assertThat(skipped(input(file, empty), "good")).containsEntry("empty", 2L);
    }

    @Test
    void commaSeparatedValues() throws IOException {
        Path file =
                write("a.csv", "id,text,more\r\n1,\"two\nlines, \"\"quoted\"\"\",x\r\n2,plain,\n3,,z\n4,é😀,\"\"\n");
        assertThat(texts(input(file))).containsExactly("two\nlines, \"quoted\"", "plain", "é😀");
        assertThat(texts(input(file).field("id"))).containsExactly("1", "2", "3", "4");
        assertFails(input(file).field("body"), "a.csv has no column named \"body\" but id, text, more");
        Path ragged = write("b.csv", "id,text\n1,one\n2\n3,three,3\n4,four\n");
        assertFails(input(ragged), "b.csv line 3 has 1 values for 2 columns");
        assertThat(skipped(input(ragged), "one", "four")).isEqualTo(Map.of("malformed", 2L));
        Path quotes = write("c.csv", "id,text\n1,one\n2,\"bad\" quotes\n3,\"three\n");
        assertFails(input(quotes), "c.csv is not CSV");
        assertThat(skipped(input(quotes), "one")).isEqualTo(Map.of("malformed", 1L));
        Path open = write("d.csv", "id,text\n1,one\n2,\"" + "never closed ".repeat(5000));
        TextInput bounded = input(open).limits(Limits.DEFAULT.documentBytes(1000));
        assertFails(bounded, "because of a missing quote");
        assertThat(skipped(bounded, "one")).isEqualTo(Map.of("too_long", 1L));
        Path wide = write("g.csv", "id,text\n" + ("x".repeat(900) + ",short\n").repeat(100));
        assertThat(texts(input(wide).limits(Limits.DEFAULT.documentBytes(1000))))
                .as("only a value is bounded")
                .hasSize(100);
        assertThat(texts(input(write("f.csv", "\ufefftext,id\none,1\n")))).containsExactly("one");
        Path latin1 = write("e.csv", "id,text\n1,é\n".getBytes(StandardCharsets.ISO_8859_1));
        assertFails(input(latin1), "e.csv");
        assertThat(skipped(input(latin1, file), "two\nlines, \"quoted\"", "plain", "é😀"))
                .isEqualTo(Map.of("invalid_utf8", 1L, "empty", 1L));
    }

    @Test
    void theLargestDocumentIsCountedInBytes() throws IOException {
        String large = "é".repeat(501);
        Path csv = write("a.csv", "text\nfirst\n" + large + "\n" + large.substring(1) + "\n");
        Path parquet = folder.resolve("b.parquet");
        sql(statement -> statement.execute("copy (select unnest(['first', '" + large + "', '" + large.substring(1)
                + "']) as text) to '" + parquet + "' (format parquet)"));
        for (Path file : List.of(csv, parquet)) {
            TextInput bounded = input(file).limits(Limits.DEFAULT.documentBytes(1000));
            assertFails(bounded, file.toString(), "is longer than 1000 bytes");
            assertThat(skipped(bounded, "first", large.substring(1))).isEqualTo(Map.of("too_long", 1L));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"csv", "tsv"})
    void columnsMayShareANameButForTheText(String format) throws IOException {
        String table = "id,,text,id,\n1,,one,2,\n3,,two,4,\n".replace(',', format.equals("csv") ? ',' : '\t');
        Path file = write("a." + format, table);
        assertThat(texts(input(file))).containsExactly("one", "two");
        assertFails(input(file).field("id"), "a." + format + " has more than one column named \"id\"; rename");
        assertThat(skipped(input(file, write("ok", "ok")).field("id"), "ok")).isEqualTo(Map.of("no_field", 1L));
    }

    @Test
    void tabSeparatedValues() throws IOException {
        Path file = write("a.tsv", "text\tlabel\r\nsaid \"so\t1\r\nb\t\n\t2\n");
        assertThat(texts(input(file))).containsExactly("said \"so", "b");
        assertThat(texts(input(file).field("label"))).containsExactly("1", "2");
        Path ragged = write("b.tsv", "text\tlabel\none\t1\ntwo\nthree\t3\t3\n");
        assertFails(input(ragged), "b.tsv line 3 has 1 values for 2 columns");
        assertThat(skipped(input(ragged), "one")).isEqualTo(Map.of("malformed", 2L));
        assertFails(input(write("c.tsv", "")), "it is empty");
    }

    private void parquet(String codec, Path file) {
        sql(statement -> statement.execute("copy (select i as id, case when i % 50 = 7 then null else 'text ' || i ||"
                + " repeat(' é', i % 40) end as text, ('b' || i)::blob as bin, {'x': 's' || i} as nested, [1, 2] as"
                + " list from range(3000) t(i)) to '" + file + "' (format parquet, compression " + codec
                + ", row_group_size 1000)"));
    }

    @FunctionalInterface
    private interface Sql {
        void run(Statement statement) throws SQLException;
    }

    private static void sql(Sql work) {
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
                Statement statement = connection.createStatement()) {
            work.run(statement);
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"uncompressed", "snappy", "zstd", "gzip", "lz4_raw"})
    void parquetIsReadAsDuckDbReadsIt(String codec) {
        Path file = folder.resolve("a.parquet");
        parquet(codec, file);
        List<String> expected = new ArrayList<>();
        sql(statement -> {
            try (ResultSet rows = statement.executeQuery("select text from '" + file + "' where text is not null")) {
                while (rows.next()) {
                    expected.add(rows.getString(1));
                }
            }
        });
        assertThat(expected).hasSize(2940);
        assertThat(skipped(input(file), expected.toArray(String[]::new))).isEqualTo(Map.of("no_field", 60L));
        assertFails(input(file), "a.parquet row 7 has no text");
        assertThat(texts(input(file).field("bin"))).hasSize(3000).startsWith("b0", "b1");
    }

    @Test
    void aParquetColumnIsFoundBesideNestedOnesAndByADottedName() {
        Path nested = resource("nested-same-leaf.parquet");
        assertThat(texts(input(nested))).containsExactly("outer", "outer", "outer");
        assertFails(input(nested).field("meta.text"), "meta.text", "nested columns are not supported");
        Path dotted = resource("dotted-name.parquet");
        assertThat(texts(input(dotted).field("a.b"))).containsExactly("dotted");
        assertThat(texts(input(dotted))).containsExactly("plain");
    }

    @Test
    void nestedParquetColumnsAreNotSuggested() {
        for (String name : List.of("pa_nested.parquet", "pa_list.parquet")) {
            Path file = resource(name);
            assertThatThrownBy(() -> texts(input(file).field("none")))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("no column named \"none\"")
                    .hasMessageNotContaining("doc.text")
                    .hasMessageNotContaining("element");
        }
        assertFails(input(resource("pa_nested.parquet")).field("doc.text"), "nested columns are not supported");
        assertFails(input(resource("pa_list.parquet")), "nested columns are not supported");
    }

    @Test
    void anUnknownParquetCodecIsNamed() {
        Path file = resource("pa_brotli_v1.parquet");
        assertFails(input(file), "its column text is compressed by BROTLI; write it again with zstd");
        assertThat(skipped(input(file, resource("nested-same-leaf.parquet")), "outer", "outer", "outer"))
                .isEqualTo(Map.of("unreadable", 1L));
    }

    @Test
    void badParquetIsRefused() throws IOException {
        Path file = folder.resolve("a.parquet");
        parquet("zstd", file);
        assertFails(input(file).field("none"), "no column named \"none\" but id, text, bin");
        assertFails(input(file).field("id"), "is not text but INT64");
        for (String nested : List.of("list", "nested", "nested.x")) {
            assertFails(input(file).field(nested), "the column " + nested + " of ", "nested columns are not supported");
        }
        assertFails(input(write("b.parquet", "not so")).format(TextFormat.PARQUET), "b.parquet is not a Parquet file");
        byte[] good = Files.readAllBytes(file);
        Path brotli = folder.resolve("brotli.parquet");
        parquet("brotli", brotli);
        assertFails(input(brotli), "BROTLI", "write it again with");
        Generator random = new Generator("badParquetIsRefused");
        Path bad = folder.resolve("bad.parquet");
        for (int i = 0; i < 20; i++) {
            Files.write(bad, Arrays.copyOf(good, 4 + random.below(good.length - 4)));
            assertFails(input(bad), "cannot read", "bad.parquet");
            assertThat(skipped(input(bad, write("ok", "ok")), "ok")).isEqualTo(Map.of("damaged", 1L));
        }
    }

    private static byte[] compress(String format, byte[] plain) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        OutputStream out = switch (format) {
            case "gz" -> new GZIPOutputStream(bytes);
            case "zst" -> new ZstdOutputStream(bytes).setLong(30);
            case "xz" -> new XZOutputStream(bytes, new LZMA2Options(1));
            default -> throw new AssertionError(format);
        };
        try (out) {
            out.write(plain);
        }
        return bytes.toByteArray();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gz", "zst", "xz"})
    void everyCompressionIsReadAndNothingIsLostSilently(String format) throws IOException {
        StringBuilder lines = new StringBuilder();
        Generator random = new Generator("everyCompressionIsReadAndNothingIsLostSilently");
        for (int i = 0; i < 2000; i++) {
            lines.append("{\"text\":\"").append(random.nextLong()).append("\"}\n");
        }
        byte[] whole = compress(format, lines.toString().getBytes(StandardCharsets.UTF_8));
        Path file = write("a.jsonl." + format, whole);
        assertThat(texts(input(file))).hasSize(2000);
        ByteArrayOutputStream twice = new ByteArrayOutputStream();
        twice.write(whole);
        twice.write(whole);
        assertThat(texts(input(write("b.jsonl." + format, twice.toByteArray()))))
                .hasSize(4000);
        assertThat(texts(input(write("text", whole)).format(TextFormat.TEXT))).containsExactly(lines.toString());

        Path cut =
                write("cut.jsonl." + format, Arrays.copyOf(whole, whole.length - 1 - random.below(whole.length / 2)));
        assertFails(input(cut), "cannot read", "cut.jsonl");
        List<String> before = new ArrayList<>();
        Skipped skipped = input(cut, write("ok", "ok")).onError(OnError.SKIP).read(d -> before.add(d.text()));
        assertThat(skipped.byName()).isEqualTo(Map.of("damaged", 1L));
        assertThat(before).hasSizeLessThan(2001).endsWith("ok");
        // Of text, unlike of records, a damaged file gives all or nothing.
        for (DocumentBoundary splitting : DocumentBoundary.values()) {
            TextInput text =
                    input(cut, folder.resolve("ok")).format(TextFormat.TEXT).splitting(splitting);
            assertThat(skipped(text, "ok")).isEqualTo(Map.of("damaged", 1L));
        }
        ByteArrayOutputStream garbage = new ByteArrayOutputStream();
        garbage.write(whole);
        garbage.write("what is this doing here, and what has it lost?".getBytes(StandardCharsets.UTF_8));
        assertFails(input(write("c.jsonl." + format, garbage.toByteArray())), "cannot read", "c.jsonl");
    }

    @Test
    void zeroBytesAfterTheLastGzipMemberArePadding() throws IOException {
        Path file = resource("zero-padded.txt.gz");
        String text;
        try (GZIPInputStream in = new GZIPInputStream(Files.newInputStream(file))) {
            text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        assertThat(text).isNotEmpty();
        assertThat(texts(input(file))).containsExactly(text);
        byte[] one = compress("gz", "one".getBytes(StandardCharsets.UTF_8));
        for (int zeros : new int[] {1, 2, 100_000}) {
            byte[] padded = concat(one, new byte[zeros]);
            assertThat(texts(input(write("padded.gz", padded)))).containsExactly("one");
            for (byte[] more : List.of(new byte[] {1}, one)) {
                assertFails(input(write("b.gz", concat(padded, more))), "trailing data after the last gzip member");
            }
        }
        for (byte[] garbage : List.of(new byte[] {1}, new byte[] {0x1f, 1}, new byte[] {0x1f, 1, 2})) {
            assertFails(input(write("c.gz", concat(one, garbage))), "trailing data after the last gzip member");
        }
        byte[] wrong = one.clone();
        wrong[wrong.length - 5] ^= 1;
        assertFails(input(write("d.gz", wrong)), "does not have its checksum and length");
    }

    /** RFC 1952: a member may have extra bytes, a name, a comment and a checksum of its header. */
    @Test
    void aGzipHeaderMayHaveMoreFields() throws IOException {
        byte[] plain = compress("gz", "one".getBytes(StandardCharsets.UTF_8));
        byte[] header = {0x1f, (byte) 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 0, 'n', 0, 'c', 'c', 0, 1, 2};
        byte[] full = concat(header, Arrays.copyOfRange(plain, 10, plain.length));
        assertThat(texts(input(write("a.gz", concat(full, full))))).containsExactly("oneone");
        assertFails(input(write("b.gz", Arrays.copyOf(full, 15))), "a gzip member is cut short");
    }

    @Test
    void aSmallFileIsDecompressedOnce() throws IOException {
        byte[] text = "one\n\ntwo\n".getBytes(StandardCharsets.UTF_8);
        int[] opened = {0};
        List<String> read = new ArrayList<>();
        DocumentReader reader = new DocumentReader(ReadOptions.DEFAULT.splitting(DocumentBoundary.BLANK_LINE));
        DocumentSink sink = new DocumentSink(document -> read.add(document.text()), OnError.FAIL, new Skipped());
        DocumentReader.Bytes small = () -> {
            opened[0]++;
            return new ByteArrayInputStream(text);
        };
        assertThat(reader.read(new TextFile("a", "a"), small, sink)).isEmpty();
        assertThat(opened[0]).isEqualTo(1);
        byte[] large = concat(text, new byte[DocumentReader.MAX_IN_MEMORY]);
        Arrays.fill(large, text.length, large.length, (byte) '\n');
        DocumentReader.Bytes twice = () -> {
            opened[0]++;
            return new ByteArrayInputStream(large);
        };
        assertThat(reader.read(new TextFile("b", "b"), twice, sink)).isEmpty();
        assertThat(opened[0]).isEqualTo(3);
        assertThat(read).containsExactly("one", "two", "one", "two");
    }

    /** Otherwise a damaged binary among texts would end a preparation. */
    @Test
    void aBinaryFileIsReadNoFurtherThanItsFirstZero() throws IOException {
        byte[] binary = new byte[1 << 20];
        Random random = new Random(1);
        for (int i = 1; i < binary.length; i++) {
            binary[i] = (byte) ('a' + random.nextInt(26));
        }
        byte[] compressed = compress("gz", binary);
        byte[] truncated = Arrays.copyOf(compressed, compressed.length / 2);
        DocumentReader reader = new DocumentReader(ReadOptions.DEFAULT.splitting(DocumentBoundary.BLANK_LINE));

        assertThat(reader.read(
                        new TextFile("a.gz", "a.gz"),
                        () -> new GzipStream(new ByteArrayInputStream(truncated)),
                        new DocumentSink(_ -> {}, OnError.FAIL, new Skipped())))
                .contains(Skipped.Reason.BINARY);
    }

    @Test
    void standardInputIsReadOnce() throws IOException {
        InputStream before = System.in;
        try {
            byte[] lines = compress("gz", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n".getBytes(StandardCharsets.UTF_8));
            // A pipe hands its bytes over bit by bit, and between them it has none.
            System.setIn(new ByteArrayInputStream(concat(lines, lines)) {
                @Override
                public synchronized int available() {
                    return 0;
                }

                @Override
                public synchronized int read(byte[] into, int at, int length) {
                    return super.read(into, at, Math.min(length, 7));
                }
            });
            TextInput input = TextInput.ofNames(List.of("-"));
            assertThat(texts(input.format(TextFormat.JSONL))).containsExactly("one", "two", "one", "two");
            System.setIn(new ByteArrayInputStream("a\nb\n\nc\n".getBytes(StandardCharsets.UTF_8)));
            assertThat(texts(input.splitting(DocumentBoundary.BLANK_LINE))).containsExactly("a\nb", "c");
            System.setIn(new ByteArrayInputStream(new byte[] {'a', (byte) 0xff}));
            assertFails(input, "no text in -: it is invalid UTF-8");
            System.setIn(new ByteArrayInputStream(new byte[] {'P', 'K', 3, 4, 0, 0}));
            assertFails(input, "standard input is an archive");
            assertThatThrownBy(() -> TextInput.ofNames(List.of("-", "-"))).hasMessageContaining("one time");
            Preparation shared =
                    new Preparation(Tokenizer.of("bytes"), input, folder.resolve("out")).share(new WorkShare(1, 2));
            assertThatThrownBy(shared::run).hasMessageContaining("cannot be divided");
        } finally {
            System.setIn(before);
        }
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    /** The value is much longer than the default limit of CSV readers. */
    @Test
    void aValueMayBeABook() throws IOException {
        String book = "word ".repeat(4_000_000);
        Path file = write("a.csv", "id,text\n1,one\n2,\"" + book + "\"\n3,three\n");
        assertThat(texts(input(file))).containsExactly("one", book, "three");
        TextInput bounded = input(file).limits(Limits.DEFAULT.documentBytes(18_000_000));
        assertFails(bounded, "a.csv");
        assertThat(skipped(bounded, "one")).isEqualTo(Map.of("too_long", 1L));
    }

    @ParameterizedTest
    @EnumSource(DocumentBoundary.class)
    void aByteOrderMarkIsNotText(DocumentBoundary splitting) throws IOException {
        Path marked = write("marked.txt", "\ufeffone");
        Path only = write("only.txt", "\ufeff");
        Path inside = write("inside.txt", "o\ufeffne");
        assertThat(texts(input(marked, inside).splitting(splitting))).containsExactly("one", "o\ufeffne");
        assertFails(input(only).splitting(splitting), "only.txt: it is empty");
        List<Long> bytes = new ArrayList<>();
        input(marked).splitting(splitting).read(document -> bytes.add(document.bytes()));
        assertThat(bytes).containsExactly(3L);
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream("\ufeffone".getBytes(StandardCharsets.UTF_8)));
            assertThat(texts(TextInput.ofNames(List.of("-")).splitting(splitting)))
                    .containsExactly("one");
        } finally {
            System.setIn(before);
        }
        for (String name : List.of("a.jsonl", "a.csv", "a.tsv")) {
            String text = name.equals("a.jsonl") ? "{\"text\":\"one\"}" : "text\none";
            assertThat(texts(input(write(name, "\ufeff" + text)))).containsExactly("one");
        }
    }

    @Test
    void inPaperModeALineMayEndInCarriageReturnAndNewline() throws IOException {
        Path file = write("a.txt", "one\r\nt\rwo\r\n\r\nthree\r\n");
        Path out = folder.resolve("out");
        new Preparation(Tokenizer.of("bytes"), input(file).splitting(DocumentBoundary.PAPER), out).run();
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.train().document(0)).containsExactly('o', 'n', 'e', 256, 't', '\r', 'w', 'o', 256, 256);
            assertThat(shards.train().document(1)).containsExactly('t', 'h', 'r', 'e', 'e', 256, 256);
        }
    }

    @Test
    void inPaperModeEachNewlineEndsText() throws IOException {
        Path file = write("a.txt", "one\ntwo\n\n\nthree\n");
        Path out = folder.resolve("out");
        new Preparation(Tokenizer.of("bytes"), input(file).splitting(DocumentBoundary.PAPER), out).run();
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.train().document(0)).containsExactly('o', 'n', 'e', 256, 't', 'w', 'o', 256, 256);
            assertThat(shards.train().document(1)).containsExactly('t', 'h', 'r', 'e', 'e', 256, 256);
        }
        Generator random = new Generator("inPaperModeEachNewlineEndsText");
        String text = String.join(
                "\n",
                java.util.stream.Stream.generate(() -> random.text(50_000).replaceAll("[\r\n\0]", " "))
                        .limit(6)
                        .toList());
        Path large = write("large.txt", text);
        Path gpt2 = folder.resolve("gpt2");
        new Preparation(Tokenizer.of("gpt2"), input(large).splitting(DocumentBoundary.PAPER), gpt2).run();
        IntList expected = new IntList(16);
        for (String line : text.split("\n", -1)) {
            Tokenizer.of("gpt2").encode(line, expected);
            expected.accept(50_256);
        }
        expected.accept(50_256);
        try (Shards shards = Shards.open(gpt2)) {
            assertThat(shards.train().document(0)).isEqualTo(expected.toArray());
        }
    }
}
