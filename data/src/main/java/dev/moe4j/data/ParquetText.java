package dev.moe4j.data;

import dev.hardwood.HardwoodContext;
import dev.hardwood.InputFile;
import dev.hardwood.metadata.PhysicalType;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.schema.ColumnProjection;
import dev.hardwood.schema.ColumnSchema;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Takes one column out of a Parquet file, a document a row, numbered by its row. The other columns are not read. */
final class ParquetText {
    /** Held, or the level would be forgotten: hardwood tells which codecs it found. */
    private static final Logger CODECS = Logger.getLogger("dev.hardwood");

    static {
        CODECS.setLevel(Level.WARNING);
    }

    private final ReadOptions options;
    private final RecordReader records;

    ParquetText(ReadOptions options) {
        this.options = options;
        this.records = new RecordReader(options);
    }

    void read(TextFile file, Path path, Intake intake) throws IOException {
        // Decoding gets one thread: the tokenizer has use for the others.
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
                        records.record(file, row, text, where, intake);
                    } catch (CharacterCodingException e) {
                        String message = where + " is invalid UTF-8; mend the record, or skip what is bad";
                        intake.bad(where, new BadInputException(Skipped.Reason.INVALID_UTF8, message));
                    } catch (BadInputException e) {
                        intake.bad(where, e);
                    }
                }
            }
            if (row != wanted) {
                throw damaged(file, "it has " + row + " rows and says that there are " + wanted, null);
            }
        }
    }

    private RowReader rows(ParquetFileReader parquet) {
        return parquet.buildRowReader()
                .projection(ColumnProjection.columns(options.field()))
                .build();
    }

    /** The value of the next row, unless it is null. */
    private Optional<byte[]> next(RowReader rows) {
        rows.next();
        return rows.isNull(options.field()) ? Optional.empty() : Optional.of(rows.getBinary(options.field()));
    }

    /** A column of text has the type of bytes, and is neither in a group nor repeated. */
    private void checkColumn(TextFile file, ParquetFileReader parquet) throws BadInputException {
        for (ColumnSchema column : parquet.getFileSchema().getColumns()) {
            if (column.fieldPath().toString().equals(options.field())) {
                if (column.type() == PhysicalType.BYTE_ARRAY && column.maxRepetitionLevel() == 0) {
                    return;
                }
                throw new BadInputException(
                        Skipped.Reason.NO_FIELD,
                        "the column " + options.field() + " of " + file + " is no text but " + column.type()
                                + "; name the one that has the text");
            }
        }
        String names = parquet.getFileSchema().getColumns().stream()
                .map(column -> column.fieldPath().toString())
                .collect(Collectors.joining(", "));
        throw new BadInputException(
                Skipped.Reason.NO_FIELD,
                file + " has no column named \"" + DataException.oneLine(options.field()) + "\" but "
                        + DataException.oneLine(names) + "; name the one that has the text");
    }

    /** The library meets a damaged file with exceptions of every kind. */
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
                + "; check the file, leave it out, or skip what is bad";
        return cause == null
                ? new BadInputException(Skipped.Reason.DAMAGED, message)
                : new BadInputException(Skipped.Reason.DAMAGED, message, cause);
    }
}
