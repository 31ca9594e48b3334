package dev.moe4j.text.source;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.text.DataException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes text files that get their names only when they are complete. */
public final class AtomicTextFile {
    /** The advice in the message if writing fails. */
    public static final String ADVICE = "free some space there or choose another file";

    private AtomicTextFile() {}

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface Content<T> {
        /** Writes the content and returns a result, for example a summary. */
        T write(BufferedWriter out) throws IOException;
    }

    /**
     * Checks that a file may be written under this name.
     *
     * @param overwrite whether an existing file may be replaced
     * @throws DataException if the name is a folder, or an existing file must not be replaced
     */
    public static void checkFree(Path file, boolean overwrite) {
        if (Files.isDirectory(file) || (Files.exists(file) && !overwrite)) {
            throw new DataException(file + (Files.isDirectory(file) ? " is a folder" : " exists")
                    + "; choose another name, or say that the file may be overwritten");
        }
    }

    /**
     * Writes a file and replaces an existing one.
     *
     * @return the result of {@code content}
     * @throws DataException if writing fails; an existing file is then unchanged
     */
    public static <T> T write(Path file, Content<T> content) {
        try {
            Path parent = file.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            try (AtomicFile atomic = new AtomicFile(file);
                    BufferedWriter out =
                            new BufferedWriter(Channels.newWriter(atomic.channel(), StandardCharsets.UTF_8))) {
                T result = content.write(out);
                out.flush();
                atomic.commit();
                return result;
            }
        } catch (IOException e) {
            throw DataException.of("cannot write " + file, e, ADVICE);
        }
    }
}
