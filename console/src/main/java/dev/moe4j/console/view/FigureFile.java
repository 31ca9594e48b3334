package dev.moe4j.console.view;

import dev.moe4j.console.output.CliException;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file for a figure that a command writes in addition to its result.
 *
 * @param option the option that names the file, for messages
 */
public record FigureFile(String option, Path path) {

    /**
     * Checks that the file can be written, before long work starts.
     *
     * @throws CliException if the file cannot be written
     */
    public void check() {
        Path folder = path.toAbsolutePath().getParent();
        if (Files.isDirectory(path)) {
            throw unwritable("it is a folder");
        }
        Path at = Files.exists(path) ? path : folder;
        if (at == null || !Files.isWritable(at)) {
            throw unwritable("its folder does not exist or is not writable");
        }
    }

    public void write(String svg) {
        try {
            Files.writeString(path, svg);
        } catch (IOException e) {
            throw unwritable(DataException.reason(e));
        }
    }

    private CliException unwritable(String why) {
        return new CliException(option + " " + path + ": cannot be written (" + why + "); give another file");
    }
}
