package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.Processors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LaunchCommandTest {

    @TempDir
    private Path folder;

    @Test
    void rank0IsShownAndAllAreLogged() throws IOException {
        Run run = Run.of(
                "launch",
                "--processes",
                "2",
                "--log-dir",
                folder.toString(),
                "--",
                "plan",
                "--model",
                "cpu-dense",
                "--json");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out().lines()).singleElement().asString().startsWith("{").endsWith("}");
        assertThat(run.err())
                .isEqualTo("moe4j: logs of 2 processes, %d threads each, in %s\n"
                        .formatted(Processors.threads(2), folder));
        assertThat(Files.readString(folder.resolve("rank-1.log"))).isEqualToIgnoringNewLines(run.out());
    }

    @Test
    void aFailureIsShown() {
        Run run = Run.of(
                "launch", "--processes", "1", "--log-dir", folder.toString(), "--", "plan", "--model", "nonsense.yaml");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err())
                .contains("nonsense.yaml")
                .endsWith("moe4j: rank 0 failed with exit code 1; see " + folder.resolve("rank-0.log") + "\n");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "launch --processes 0 -- doctor",
                "launch --processes 2 --threads 0 -- doctor",
                "launch --processes 2 --restarts -1 -- doctor",
                "launch --processes 2 --timeout 0 -- doctor",
                "launch --processes 2 -- launch --processes 2 -- doctor",
                "launch --processes 2",
                "launch -- doctor"
            })
    void wrongUsage(String words) {
        Run run = Run.of(words.split(" "));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: ").endsWith("Try: moe4j launch --help\n");
    }
}
