package dev.moe4j.text.source;

import dev.hardwood.HardwoodContext;
import dev.hardwood.InputFile;
import dev.hardwood.metadata.CompressionCodec;
import dev.hardwood.metadata.PhysicalType;
import dev.hardwood.metadata.RowGroup;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.schema.ColumnProjection;
import dev.hardwood.schema.ColumnSchema;
import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads one column of a Parquet file. Each row is a document, numbered by its row. The other columns are read only if
 * the column name is ambiguous for the Parquet library.
 */
final class ParquetText {
    /** Silences hardwood's list of the codecs it found. The field keeps the logger alive, and with it the level. */
    private static final Logger CODECS = Logger.getLogger("dev.hardwood");

    static {
        CODECS.setLevel(Level.WARNING);
    }

    private static final Set<CompressionCodec> CODECS_READ = EnumSet.of(
            CompressionCodec.UNCOMPRESSED,
            CompressionCodec.SNAPPY,
            CompressionCodec.GZIP,
            CompressionCodec.ZSTD,
            CompressionCodec.LZ4,
            CompressionCodec.LZ4_RAW);

    private final ReadOptions options;
    private final RecordReader records;

    ParquetText(ReadOptions options) {
        this.options = options;
        this.records = new RecordReader(options);
    }

    void read(TextFile file, Path path, DocumentSink sink) throws IOException {
        // One thread suffices for decoding, and the tokenizer needs the others.
        try (HardwoodContext context = HardwoodContext.create(1);
                ParquetFileReader parquet = ask(file, () -> ParquetFileReader.open(InputFile.of(path), context))) {
            checkColumn(file, parquet);
            long wanted = parquet.getFileMetaData().numRows();
            long row = 0;
            try (RowReader rows = ask(file, () -> rows(parquet))) {
                for (; ask(file, rows::hasNext); row++) {
                    Optional<byte[]> bytes = ask(file, () -> next(rows));
                    String where = file + " row " + row;
                    try {
                        String text = bytes.isPresent() ? Utf8.decode(bytes.get(), 0, bytes.get().length) : null;
                        records.record(file, row, text, where, sink);
                    } catch (CharacterCodingException e) {
                        String message = where + " is invalid UTF-8; fix the record, or skip bad input";
                        sink.badInput(where, new BadInputException(Skipped.Reason.INVALID_UTF8, message));
                    } catch (BadInputException e) {
                        sink.badInput(where, e);
                    }
                }
            }
            if (row != wanted) {
                throw damaged(file, "it has " + row + " rows, but its metadata says " + wanted, null);
            }
        }
    }

    /**
     * Reads only the text column if its name is unambiguous, else all columns. The library selects the first column whose
     * last path component has the name, and takes a dot as a path separator.
     */
    private RowReader rows(ParquetFileReader parquet) {
        boolean clear = !options.field().contains(".")
                && parquet.getFileSchema().getColumns().stream()
                                .filter(column -> column.name().equals(options.field()))
                                .count()
                        == 1;
        return parquet.buildRowReader()
                .projection(clear ? ColumnProjection.columns(options.field()) : ColumnProjection.all())
                .build();
    }

    /** Advances to the next row and returns its value; empty if the value is null. */
    private Optional<byte[]> next(RowReader rows) {
        rows.next();
        return rows.isNull(options.field()) ? Optional.empty() : Optional.of(rows.getBinary(options.field()));
    }

    /** Checks that the text column holds byte arrays, is neither nested nor repeated, and has a supported codec. */
    private void checkColumn(TextFile file, ParquetFileReader parquet) throws IOException {
        List<ColumnSchema> columns = parquet.getFileSchema().getColumns();
        List<ColumnSchema> flat = columns.stream().filter(ParquetText::isFlat).toList();
        for (ColumnSchema column : flat) {
            if (column.name().equals(options.field())) {
                if (column.type() != PhysicalType.BYTE_ARRAY) {
                    throw noField("the column " + DataException.oneLine(options.field()) + " of " + file
                            + " is not text but " + column.type() + "; name the one that has the text");
                }
                checkCodec(file, parquet, column);
                return;
            }
        }
        if (columns.stream()
                .anyMatch(column -> isIn(options.field(), column.fieldPath().elements()))) {
            throw noField("the column " + DataException.oneLine(options.field()) + " of " + file
                    + " is nested, and nested columns are not supported; write its text to a top-level column");
        }
        String names = flat.isEmpty()
                ? "only nested columns, which are not supported; write the text to a top-level column"
                : DataException.oneLine(flat.stream().map(ColumnSchema::name).collect(Collectors.joining(", ")))
                        + "; name the one that has the text";
        throw noField(file + " has no column named \"" + DataException.oneLine(options.field()) + "\" but " + names);
    }

    private static boolean isFlat(ColumnSchema column) {
        return column.fieldPath().elements().size() == 1 && column.maxRepetitionLevel() == 0;
    }

    /** Whether a name is the path of a nested column, or of a group that contains the column. */
    private static boolean isIn(String name, List<String> elements) {
        return IntStream.rangeClosed(1, elements.size())
                .mapToObj(count -> String.join(".", elements.subList(0, count)))
                .anyMatch(name::equals);
    }

    private static void checkCodec(TextFile file, ParquetFileReader parquet, ColumnSchema column) throws IOException {
        for (RowGroup group : parquet.getFileMetaData().rowGroups()) {
            CompressionCodec codec = ask(
                    file,
                    () -> group.columns().get(column.columnIndex()).metaData().codec());
            if (!CODECS_READ.contains(codec)) {
                throw new BadInputException(
                        Skipped.Reason.UNREADABLE,
                        "cannot read " + file + ": its column " + DataException.oneLine(column.name())
                                + " is compressed by " + codec + "; write it again with zstd, snappy, gzip or lz4");
            }
        }
    }

    private static BadInputException noField(String message) {
        return new BadInputException(Skipped.Reason.NO_FIELD, message);
    }

    /** Calls the library. It throws exceptions of any kind if a file is damaged, so this converts all of them. */
    private static <T> T ask(TextFile file, Callable<T> question) throws IOException {
        try {
            return question.call();
        } catch (IOException | UncheckedIOException e) {
            throw damaged(file, String.valueOf(e.getMessage()), e);
        } catch (UnsupportedOperationException e) {
            throw new BadInputException(
                    Skipped.Reason.UNREADABLE,
                    "cannot read " + file + ": " + DataException.oneLine(String.valueOf(e.getMessage()))
                            + "; write it again with zstd, snappy, gzip or lz4",
                    e);
        } catch (Exception e) {
            throw damaged(file, e.getClass().getSimpleName() + " " + e.getMessage(), e);
        }
    }

    private static BadInputException damaged(TextFile file, String what, @Nullable Throwable cause) {
        String message = "cannot read " + file + " as Parquet: " + DataException.oneLine(what)
                + "; check the file, leave it out, or skip bad input";
        return cause == null
                ? new BadInputException(Skipped.Reason.DAMAGED, message)
                : new BadInputException(Skipped.Reason.DAMAGED, message, cause);
    }
}
