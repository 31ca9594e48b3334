package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Commands whose result cannot be written to stdout. */
@DisabledOnOs(OS.WINDOWS)
class OutputPipeTest {

    @TempDir
    private Path folder;

    /** The command waits until the reader has closed the pipe: like {@code plan | head -1}, but deterministic. */
    @Test
    void aClosedPipeIsNotAFailure() throws IOException, InterruptedException {
        RealProcess plan = started(ProcessBuilder.Redirect.PIPE);
        plan.process().getInputStream().close();
        plan.process().getOutputStream().close();
        assertThat(plan.code()).as(plan.said()).isEqualTo(128 + 13);
        assertThat(plan.said()).isEmpty();
    }

    @Test
    void aFullDiskIsAFailure() throws IOException, InterruptedException {
        File full = new File("/dev/full");
        assumeTrue(full.exists(), "needs /dev/full");
        RealProcess plan = started(ProcessBuilder.Redirect.to(full));
        plan.process().getOutputStream().close();
        assertThat(plan.code()).as(plan.said()).isEqualTo(1);
        assertThat(plan.said()).isEqualTo("moe4j: cannot write the result to stdout: is its disk full?\n");
    }

    private RealProcess started(ProcessBuilder.Redirect stdout) throws IOException {
        List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", "cat >/dev/null; exec \"$@\"", "sh"));
        command.addAll(RealProcess.builder("plan", "--model=cpu-dense", "--set=precision=fp32")
                .command());
        Path err = Files.createFile(folder.resolve("err"));
        return new RealProcess(
                new ProcessBuilder(command)
                        .redirectOutput(stdout)
                        .redirectError(err.toFile())
                        .start(),
                err);
    }
}
