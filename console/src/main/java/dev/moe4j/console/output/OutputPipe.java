package dev.moe4j.console.output;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;

/** A writer to the process's stdout that detects a closed pipe. */
public final class OutputPipe extends PrintWriter {

    private static final Path SELF = Path.of("/dev/stdout");
    /** The file type bits of a file's mode, and the two types that have a reader. */
    private static final int TYPE_MASK = 0170000;

    private static final int PIPE = 0010000;
    private static final int SOCKET = 0140000;

    public OutputPipe(PrintStream stdout) {
        super(stdout, true, stdout.charset());
    }

    /** The reader of stdout closed it, as {@code head} does. The command ends without a message. */
    @SuppressWarnings("serial")
    public static final class ReaderGoneException extends RuntimeException {
        /** The exit code of a process that SIGPIPE ends. */
        public static final int EXIT_CODE = 128 + 13;
    }

    /** Whether stdout is a pipe or a socket: writing to one fails only when its reader is gone. */
    boolean isPipe() {
        try {
            int type = (int) Files.getAttribute(SELF, "unix:mode") & TYPE_MASK;
            return type == PIPE || type == SOCKET;
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
            return false; // this system does not report the type
        }
    }
}
