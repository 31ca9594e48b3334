package dev.moe4j.console.output;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes to the process's stdout, which may be a pipe whose reader goes. */
public final class OutputPipe extends PrintWriter {

    private static final Path SELF = Path.of("/dev/stdout");
    /** Of a file's mode: its kind, and the kinds that have a reader. */
    private static final int KIND = 0170000;

    private static final int PIPE = 0010000;
    private static final int SOCKET = 0140000;

    public OutputPipe(PrintStream stdout) {
        super(stdout, true, stdout.charset());
    }

    /** The reader of stdout has closed it, as {@code head} does. The command ends without a message. */
    @SuppressWarnings("serial")
    public static final class ReaderGoneException extends RuntimeException {
        /** As of a process that SIGPIPE ends. */
        public static final int EXIT_CODE = 128 + 13;
    }

    /** Whether stdout is a pipe or a socket, which cannot be written to only when the reader is gone. */
    boolean isPipe() {
        try {
            int kind = (int) Files.getAttribute(SELF, "unix:mode") & KIND;
            return kind == PIPE || kind == SOCKET;
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
            return false; // not a system that tells
        }
    }
}
