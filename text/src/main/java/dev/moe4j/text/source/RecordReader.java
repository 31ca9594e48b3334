package dev.moe4j.text.source;

import de.siegmar.fastcsv.reader.CloseableIterator;
import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.FieldMismatchStrategy;
import de.siegmar.fastcsv.reader.FieldModifier;
import de.siegmar.fastcsv.reader.NamedCsvRecord;
import de.siegmar.fastcsv.reader.NamedCsvRecordHandler;
import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/** Reads the text of each record in a file. Each record is a document, numbered by its record. */
final class RecordReader {
    /** The maximum depth of nested JSON. Each open bracket takes about 60 bytes. */
    private static final int MAX_NESTING = 1_000_000;

    /** The number of characters that an error message shows on each side of a syntax error. */
    private static final int SHOWN = 20;

    private static final String FIX = "; fix the record, or skip bad input";

    private final ReadOptions options;
    private final JsonFactory json;

    RecordReader(ReadOptions options) {
        this.options = options;
        // The limit on the length of a line bounds everything except the memory for open brackets.
        this.json = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(Integer.MAX_VALUE)
                        .maxNumberLength(Integer.MAX_VALUE)
                        .maxNameLength(Integer.MAX_VALUE)
                        .maxNestingDepth(MAX_NESTING)
                        .build())
                .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES) // its cache would keep long names
                .build();
    }

    /**
     * Reads JSON lines, CSV or TSV.
     *
     * @return the reason if the file was skipped because it has no records
     * @throws IOException if the file cannot be read or is damaged
     */
    Optional<Skipped.Reason> read(TextFile file, TextFormat format, InputStream bytes, DocumentSink sink)
            throws IOException {
        InputStream in = Utf8.withoutMark(bytes);
        long records = switch (format) {
            case JSONL -> readLines(file, lines(in), this::textOfJson, sink);
            case TSV -> readTable(file, lines(in), sink);
            case CSV -> readCsv(file, in, sink);
            case PARQUET ->
                throw new BadInputException(
                        Skipped.Reason.DAMAGED,
                        file + " is not a Parquet file: it does not begin with PAR1; check the file, or leave it out");
            case AUTO, TEXT -> throw new IllegalArgumentException(format.toString());
        };
        return records == 0 ? Optional.of(Skipped.Reason.EMPTY) : Optional.empty();
    }

    private Lines lines(InputStream in) {
        return new Lines(in, options.limits().documentBytesInMemory());
    }

    /** Extracts the text from a line; null if the line has none. */
    @FunctionalInterface
    private interface LineParser {
        @Nullable
        String text(String line, String where) throws IOException;
    }

    private long readTable(TextFile file, Lines lines, DocumentSink sink) throws IOException {
        if (!lines.next()) {
            return 0;
        }
        if (lines.tooLong()) {
            throw options.limits().tooLong("the first line of " + file);
        }
        List<String> header = Arrays.asList(lines.text().split("\t", -1));
        int column = column(file, header);
        return readLines(
                file,
                lines,
                (line, where) -> {
                    String[] values = line.split("\t", -1);
                    if (values.length != header.size()) {
                        throw malformed(where, "has " + values.length + " values for " + header.size() + " columns");
                    }
                    return values[column];
                },
                sink);
    }

    private long readLines(TextFile file, Lines lines, LineParser parser, DocumentSink sink) throws IOException {
        long before = lines.number();
        while (lines.next()) {
            String where = file + " line " + lines.number();
            try {
                if (lines.tooLong()) {
                    throw options.limits().tooLong(where);
                }
                String line = lines.text();
                if (!line.isBlank()) {
                    record(file, lines.number() - 1, parser.text(line, where), where, sink);
                }
            } catch (CharacterCodingException e) {
                String message = where + " is invalid UTF-8" + FIX;
                sink.badInput(where, new BadInputException(Skipped.Reason.INVALID_UTF8, message, e));
            } catch (BadInputException e) {
                sink.badInput(where, e);
            }
        }
        return lines.number() - before;
    }

    private static BadInputException malformed(String where, String what) {
        return new BadInputException(Skipped.Reason.MALFORMED, where + " " + what + FIX);
    }

    /**
     * Passes on the text of a record. An empty text is skipped and counted.
     *
     * @param text the text; null if the record has none
     * @throws BadInputException if the record has no text or is too long
     */
    void record(TextFile file, long number, @Nullable String text, String where, DocumentSink sink) throws IOException {
        if (text == null) {
            throw new BadInputException(
                    Skipped.Reason.NO_FIELD,
                    where + " has no text named \"" + DataException.oneLine(options.field())
                            + "\"; name the field that has it, or skip bad input");
        }
        long bytes = Utf8.length(text);
        if (bytes == 0) {
            sink.skip(Skipped.Reason.EMPTY, where);
        } else if (bytes > options.limits().documentBytesInMemory()) {
            throw options.limits().tooLong(where);
        } else {
            sink.document(options.document(file, number, text, bytes));
        }
    }

    private @Nullable String textOfJson(String line, String where) throws BadInputException {
        try (JsonParser parser = json.createParser(ObjectReadContext.empty(), line)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw malformed(where, "is not a JSON object");
            }
            String text = null;
            boolean found = false;
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                boolean wanted = parser.currentName().equals(options.field());
                JsonToken value = parser.nextToken();
                if (wanted && found) {
                    throw malformed(where, "has \"" + DataException.oneLine(options.field()) + "\" more than once");
                }
                if (wanted) {
                    found = true;
                    text = value == JsonToken.VALUE_STRING ? parser.getString() : null;
                }
                parser.skipChildren();
            }
            if (parser.nextToken() != null) {
                throw malformed(where, "has more than one JSON value");
            }
            if (text != null && Utf8.loneSurrogate(text, 0) >= 0) {
                throw malformed(where, "has half of a surrogate pair, which is not a character, in its text");
            }
            return text;
        } catch (JacksonException e) {
            // The library's message may give advice that only a programmer can follow, so it is not shown.
            long offset =
                    e.getLocation() == null ? 0 : Math.max(0, e.getLocation().getCharOffset());
            int at = (int) Math.min(offset, line.length());
            String shown = line.substring(Math.max(0, at - SHOWN), Math.min(line.length(), at + SHOWN));
            throw malformed(
                    where, "is not JSON: mistake near character " + (at + 1) + ", in " + DataException.oneLine(shown));
        }
    }

    private long readCsv(TextFile file, InputStream in, DocumentSink sink) throws IOException {
        // This bounds the characters in memory. The limit on the bytes of the text is checked later.
        BoundedValueReader values = new BoundedValueReader(
                new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()),
                options.limits().documentBytesInMemory());
        FieldModifier ends = FieldModifier.modify(field -> {
            values.valueEnds();
            return field;
        });
        try (CsvReader<NamedCsvRecord> reader = CsvReader.builder()
                .maxBufferSize(Integer.MAX_VALUE - 8)
                .extraFieldStrategy(FieldMismatchStrategy.IGNORE) // checked below, as an error of the record
                .missingFieldStrategy(FieldMismatchStrategy.IGNORE)
                .build(
                        NamedCsvRecordHandler.builder()
                                .allowDuplicateHeaderFields(true) // column() checks that the text column is unique
                                .maxFieldSize(Integer.MAX_VALUE)
                                .maxRecordSize(Integer.MAX_VALUE)
                                .fieldModifier(ends)
                                .build(),
                        values)) {
            CloseableIterator<NamedCsvRecord> records = reader.iterator();
            long number = 0;
            for (; hasNext(records, file, number); number++) {
                NamedCsvRecord record = records.next();
                if (number == 0) {
                    column(file, record.getHeader());
                }
                String where = file + " line " + record.getStartingLineNumber();
                try {
                    int columns = record.getHeader().size();
                    if (record.getFieldCount() != columns) {
                        throw malformed(where, "has " + record.getFieldCount() + " values for " + columns + " columns");
                    }
                    record(file, number, record.getField(options.field()), where, sink);
                } catch (BadInputException e) {
                    sink.badInput(where, e);
                }
            }
            return number;
        }
    }

    /** Reads ahead. After a wrong quote the start of the next record is unknown, so the rest of the file is lost. */
    private boolean hasNext(CloseableIterator<NamedCsvRecord> records, TextFile file, long number) throws IOException {
        try {
            return records.hasNext();
        } catch (CsvParseException e) {
            throw malformed(
                    after(file, number), "is not CSV: " + DataException.oneLine(String.valueOf(e.getMessage())));
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof BoundedValueReader.TooLongException) {
                throw options.limits()
                        .tooLong("a value in " + after(file, number) + ", perhaps because of a missing quote,");
            }
            throw e.getCause();
        }
    }

    private static String after(TextFile file, long number) {
        return "the data after record " + number + " of " + file;
    }

    /**
     * Returns the index of the text column.
     *
     * @throws BadInputException if the header does not have exactly one such column
     */
    private int column(TextFile file, List<String> header) throws BadInputException {
        int column = header.indexOf(options.field());
        if (column < 0) {
            throw new BadInputException(
                    Skipped.Reason.NO_FIELD,
                    file + " has no column named \"" + DataException.oneLine(options.field()) + "\" but "
                            + DataException.oneLine(String.join(", ", header))
                            + "; name the one that has the text, or read the file as text");
        }
        if (column != header.lastIndexOf(options.field())) {
            throw new BadInputException(
                    Skipped.Reason.NO_FIELD,
                    file + " has more than one column named \"" + DataException.oneLine(options.field())
                            + "\"; rename all but the one that has the text");
        }
        return column;
    }
}
