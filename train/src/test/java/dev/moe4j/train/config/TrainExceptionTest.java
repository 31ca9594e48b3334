package dev.moe4j.train.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TrainExceptionTest {

    /** The system's message for a full disk is in the user's language. */
    static Stream<Arguments> causes() {
        return Stream.of(
                Arguments.of(new AccessDeniedException("f"), "permission denied; make its folder writable"),
                Arguments.of(new NoSuchFileException("f"), "it does not exist; create its folder"),
                Arguments.of(
                        new IOException("Auf dem Ger\u00e4t ist kein Speicherplatz mehr verf\u00fcgbar"),
                        "Auf dem Ger\u00e4t ist kein Speicherplatz mehr verf\u00fcgbar; check the disk and its free space"),
                Arguments.of(
                        new FileSystemException("f", null, "Disk quota exceeded"),
                        "Disk quota exceeded; check the disk and its free space"));
    }

    @ParameterizedTest
    @MethodSource("causes")
    void aFailedWriteSaysWhyAndWhatToDo(IOException cause, String reason) {
        assertThat(TrainException.cannotWrite(Path.of("run/metrics.jsonl"), cause))
                .hasMessage("cannot write " + Path.of("run/metrics.jsonl") + ": " + reason + ", then resume the run")
                .hasCause(cause);
    }
}
