package dev.moe4j.base.file;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessLockTest {

    @TempDir
    Path folder;

    /** A process that prints whether it gets the lock, and exits. */
    static final class OtherProcess {
        private OtherProcess() {}

        static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            System.out.print(ProcessLock.tryAcquire(file).isPresent() ? "free" : ProcessLock.holder(file));
        }
    }

    @Test
    void oneHolderAtATime() throws IOException, InterruptedException {
        Path file = folder.resolve("lock");
        String me = "process " + ProcessHandle.current().pid();

        try (ProcessLock _ = ProcessLock.tryAcquire(file).orElseThrow()) {
            assertThat(ProcessLock.tryAcquire(file)).isEmpty();
            assertThat(ProcessLock.tryAcquire(folder.resolve("../" + folder.getFileName() + "/lock")))
                    .as("by another path")
                    .isEmpty();
            assertThat(ProcessLock.holder(file)).isEqualTo(me);
            assertThat(askAnotherProcess(file))
                    .as("an attempt of this process does not free the lock for others")
                    .isEqualTo(me);
        }

        assertThat(askAnotherProcess(file)).isEqualTo("free");
        try (ProcessLock _ = ProcessLock.tryAcquire(file).orElseThrow()) {
            assertThat(ProcessLock.holder(file)).isEqualTo(me);
        }
    }

    @Test
    void theHolderMayDeleteTheFile() throws IOException, InterruptedException {
        Path file = folder.resolve("lock");

        try (ProcessLock _ = ProcessLock.tryAcquire(file).orElseThrow()) {
            Files.delete(file);
        }

        assertThat(ProcessLock.holder(file)).as("the file is gone").isEmpty();
        assertThat(askAnotherProcess(file)).isEqualTo("free");
    }

    private static String askAnotherProcess(Path file) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        OtherProcess.class.getName(),
                        file.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isZero();
        return answer;
    }
}
