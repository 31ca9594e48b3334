package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.csv.CSVException;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.apache.commons.csv.DuplicateHeaderMode;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads the records of a published file. The extension gives the format. {@code .jsonl} and {@code .ndjson} have an
 * object per line. {@code .json} has an array of objects or one object. {@code .csv} and {@code .tsv} have a header,
 * and TSV is not quoted. {@code .txt} and {@code .lst} have a record per line, as the field {@code line}.
 */
final class TaskRecords {

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final CSVFormat CSV = CSVFormat.RFC4180
            .builder()
            .setHeader()
            .setSkipHeaderRecord(true)
            .setAllowMissingColumnNames(true)
            .setDuplicateHeaderMode(DuplicateHeaderMode.ALLOW_EMPTY)
            .get();
    private static final CSVFormat TSV =
            CSVFormat.Builder.create(CSV).setDelimiter('\t').setQuote(null).get();

    private final Path file;
    private final Sink sink;

    /** Receives records in order. */
    @FunctionalInterface
    interface Sink {

        /**
         * Receives one record.
         *
         * @param place its location: file and line, or file and number
         */
        void accept(String place, ObjectNode node);
    }

    private TaskRecords(Path file, Sink sink) {
        this.file = file;
        this.sink = sink;
    }

    /** Reads a file. */
    static void read(Path file, Sink sink) {
        TaskRecords reader = new TaskRecords(file, sink);
        String name = Objects.toString(file.getFileName(), "").toLowerCase(Locale.ROOT);
        String ending = name.substring(name.lastIndexOf('.') + 1);
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            skipMark(in);
            switch (ending) {
                case "jsonl", "ndjson" -> reader.jsonLines(in);
                case "json" -> reader.json(in);
                case "csv" -> reader.table(in, CSV);
                case "tsv" -> reader.table(in, TSV);
                case "txt", "lst" -> reader.lines(in);
                default ->
                    throw new EvalException(file + ": no reader for ." + ending
                            + "; the formats are jsonl, ndjson, json, csv, tsv, txt and lst");
            }
        } catch (CharacterCodingException e) {
            throw new EvalException(file + " is not UTF-8 text; download it again, or convert it");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Skips a byte order mark. */
    private static void skipMark(BufferedReader in) throws IOException {
        in.mark(1);
        if (in.read() != '\uFEFF') {
            in.reset();
        }
    }

    private void jsonLines(BufferedReader in) throws IOException {
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            number++;
            if (!line.isBlank()) {
                String place = file + ":" + number;
                sink.accept(place, object(place, parse(place, line)));
            }
        }
    }

    private void json(BufferedReader in) throws IOException {
        JsonNode root = parse(file.toString(), in.readAllAsString());
        if (!root.isArray()) {
            sink.accept(file.toString(), object(file.toString(), root));
            return;
        }
        for (int i = 0; i < root.size(); i++) {
            String place = file + ", record " + (i + 1);
            sink.accept(place, object(place, root.get(i)));
        }
    }

    private static JsonNode parse(String place, String text) {
        try {
            return JSON.readTree(text);
        } catch (JacksonException e) {
            String reason = Objects.toString(e.getOriginalMessage(), "")
                    .lines()
                    .findFirst()
                    .orElse("");
            int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
            throw new EvalException(place + (line > 1 ? ":" + line : "") + ": not valid JSON (" + reason
                    + "); download the file again, or repair it");
        }
    }

    private static ObjectNode object(String place, JsonNode node) {
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw new EvalException(place + ": expected a JSON object; download the file again, or repair it");
    }

    private void table(BufferedReader in, CSVFormat format) throws IOException {
        String place = file + ":1";
        try (CSVParser parser = parser(in, format)) {
            int columns = parser.getHeaderNames().size();
            for (CSVRecord row : parser) {
                // A quoted record may span lines. The parser is at its last line.
                place = file + ":" + parser.getCurrentLineNumber();
                if (row.size() != columns) {
                    throw new EvalException(place + ": " + row.size() + " columns, but the header has " + columns
                            + "; download the file again, or repair the line");
                }
                ObjectNode node = JsonNodeFactory.instance.objectNode();
                for (Map.Entry<String, String> entry : row.toMap().entrySet()) {
                    node.put(entry.getKey(), entry.getValue());
                }
                sink.accept(place, node);
            }
        } catch (CSVException e) {
            throw malformed(place, e);
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof CSVException cause) {
                throw malformed(place, cause);
            }
            throw e;
        }
    }

    private CSVParser parser(BufferedReader in, CSVFormat format) throws IOException {
        try {
            return format.parse(in);
        } catch (IllegalArgumentException e) {
            throw new EvalException(file + ":1: not a valid header (" + e.getMessage() + "); download the file again");
        }
    }

    private static EvalException malformed(String place, CSVException cause) {
        return new EvalException("after " + place + ": not valid CSV (" + cause.getMessage()
                + "); download the file again, or repair the line");
    }

    private void lines(BufferedReader in) throws IOException {
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            number++;
            if (!line.isBlank()) {
                sink.accept(
                        file + ":" + number,
                        JsonNodeFactory.instance.objectNode().put("line", line));
            }
        }
    }
}
