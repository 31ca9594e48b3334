package dev.moe4j.text.source;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.text.DataException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file of text that has its name only when it is whole. */
public final class NewFile {
    public static final String ADVICE = "free some space there or choose another file";

    private NewFile() {}

    /** Fills the file, and returns what is to be known about it. */
    @FunctionalInterface
    public interface Content<T> {
        T write(BufferedWriter out) throws IOException;
    }

    /**
     * Checks that a file can be written under this name.
     *
     * @throws DataException if one is there that is not to be replaced
     */
    public static void checkFree(Path file, boolean overwrite) {
        if (Files.isDirectory(file) || (Files.exists(file) && !overwrite)) {
            throw new DataException(file + (Files.isDirectory(file) ? " is a folder" : " exists")
                    + "; choose another name, or say that the file may be overwritten");
        }
    }

    /**
     * Writes it, in place of one that is there.
     *
     * @throws DataException if that fails; then there is no file, or the one that was there
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
