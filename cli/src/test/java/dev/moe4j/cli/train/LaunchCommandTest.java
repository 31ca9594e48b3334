package dev.moe4j.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.cli.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
                .isEqualTo("moe4j: 2 processes with %d threads each; logs in %s\n"
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

    /** Wrong usage of a rank ends the launch without a restart. */
    @Test
    void wrongUsageOfARankIsNotRetried() {
        Run run = Run.of(
                ("launch --processes 1 --restarts 3 --log-dir " + folder + " -- plan --model cpu-dens").split(" "));
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err())
                .contains("moe4j: no preset is called 'cpu-dens'; the nearest are cpu-dense")
                .endsWith("moe4j: rank 0 failed with exit code 2, in attempt 1; see " + folder.resolve("rank-0.log")
                        + "\n");
    }

    /** The command is checked before any rank starts. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "trian --steps 3 | unknown command 'trian'. Did you mean train? | moe4j --help",
                "plan --model cpu-dense --tokenz 3 | unknown option --tokenz. Did you mean --tokens? | moe4j "
                        + "plan --help",
                "bench memory --model none | no preset is called 'none' | moe4j bench memory --help"
            })
    void wrongUsageOfTheCommand(String command, String message, String help) {
        Run run = Run.of(("launch --processes 2 --log-dir " + folder + " -- " + command).split(" "));
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: ").contains(message).endsWith("Try: " + help + "\n");
        assertThat(folder).isEmptyDirectory();
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
