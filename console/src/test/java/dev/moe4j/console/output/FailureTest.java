package dev.moe4j.console.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class FailureTest {
    /** Stands for the exception that each module declares. */
    private static final class ModuleException extends RuntimeException {
        ModuleException(String message) {
            super(message);
        }
    }

    @Test
    void exceptionsOfModulesAreOneLine() {
        assertThat(told(new ModuleException("corpus: no text found\n in 3 files;  name another folder"), false))
                .isEqualTo("moe4j: corpus: no text found in 3 files;  name another folder\n");
        assertThat(told(new CliException("no"), false)).isEqualTo("moe4j: no\n");
    }

    @Test
    void fileErrorsAreOneLine() {
        assertThat(told(new NoSuchFileException("/a"), false))
                .isEqualTo("moe4j: /a: no such file or folder; check the path\n");
        assertThat(told(new UncheckedIOException(new NoSuchFileException("/a")), false))
                .isEqualTo("moe4j: /a: no such file or folder; check the path\n");
        assertThat(told(new IOException("No space left on device"), false)).startsWith("moe4j: the disk is full;");
        assertThat(told(new FileSystemException("/a", null, "No space left on device"), false))
                .startsWith("moe4j: /a: the disk is full;");
        assertThat(told(new FileNotFoundException("/a (Is a directory)"), false))
                .isEqualTo("moe4j: /a (Is a directory)\n");
        assertThat(told(new IOException(), false)).isEqualTo("moe4j: cannot be read or written\n");
    }

    @Test
    void aFullHeapNamesTheOption() {
        assertThat(told(new OutOfMemoryError("Java heap space"), false)).contains("MOE4J_JAVA_OPTS=-Xmx");
    }

    @Test
    void bugsHaveAStackTrace() {
        assertThat(told(new IllegalStateException("oops"), false))
                .startsWith("java.lang.IllegalStateException: oops\n\tat dev.moe4j.console.output.FailureTest")
                .endsWith("moe4j: internal error: java.lang.IllegalStateException: oops."
                        + " This is a bug: please report it with the lines above\n");
    }

    @Test
    void debugPrintsAllStackTraces() {
        assertThat(told(new CliException("no", new IOException("why")), true))
                .contains("\tat ", "Caused by: java.io.IOException: why")
                .endsWith("moe4j: no\n");
    }

    private static String told(Throwable e, boolean debug) {
        StringWriter err = new StringWriter();
        PrintWriter printer = new PrintWriter(err);
        assertThat(Failure.of(e).print(printer, debug)).isEqualTo(1);
        printer.flush();
        return err.toString().replace("\r\n", "\n");
    }
}
