package dev.moe4j.parallel.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.parallel.LaunchedMain;
import dev.moe4j.parallel.Ranks;
import dev.moe4j.parallel.layout.ParallelException;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class LauncherTest {

    private static final long STUCK_SECONDS = Ranks.STUCK_SECONDS;

    @TempDir
    private Path folder;

    private final List<String> out = Collections.synchronizedList(new ArrayList<>());
    private final List<String> err = Collections.synchronizedList(new ArrayList<>());

    private static List<String> java(String main, String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.bytedeco.javacpp.nopointergc=true",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                main));
        command.addAll(List.of(arguments));
        return command;
    }

    private static List<String> launched(String... arguments) {
        return java(LaunchedMain.class.getName(), arguments);
    }

    private int launch(int processes, int restarts, List<String> command) {
        Launcher.Plan plan = new Launcher.Plan(
                command, List.of("--resume"), processes, 3, restarts, Duration.ofMinutes(2), folder.resolve("logs"));
        try (Launcher launcher = new Launcher(plan, out::add, err::add)) {
            return launcher.run();
        }
    }

    private String log(int rank) throws IOException {
        return Files.readString(folder.resolve("logs/rank-" + rank + ".log"));
    }

    @Test
    void eachRankGetsItsPlaceAndALog() throws IOException {
        assertThat(launch(2, 0, launched("environment"))).isZero();
        assertThat(out.getFirst())
                .startsWith("RankEnvironment[rank=0, world=2, localRank=0, localWorld=2, meeting=file:///")
                .endsWith("networkInterface=%s, timeout=PT2M]"
                        .formatted(InetAddress.getLoopbackAddress().getHostAddress()));
        assertThat(out.get(1)).isEqualTo("threads 3 3");
        assertThat(err).containsExactly("on stderr 0");
        assertThat(log(0)).contains("rank=0").contains("on stderr 0");
        assertThat(log(1))
                .contains("rank=1, world=2, localRank=1, localWorld=2")
                .contains("on stderr 1");
    }

    @Test
    void ranksMeet() throws IOException {
        assertThat(launch(3, 0, launched("sum"))).isZero();
        assertThat(out).containsExactly("rank 0 of 3 sum 3.0");
        assertThat(log(2)).contains("rank 2 of 3 sum 3.0");
    }

    @Test
    void theFirstFailureIsShown() {
        assertThatThrownBy(() -> launch(2, 0, launched("once", folder.toString())))
                .isInstanceOf(ParallelException.class)
                .hasMessage("rank 1 failed with exit code 1; see " + folder.resolve("logs/rank-1.log"));
        assertThat(err).contains("rank 1 | the disk is full");
    }

    @Test
    void restartsResume() throws IOException {
        assertThat(launch(2, 2, launched("once", folder.toString()))).isZero();
        assertThat(out).contains("once FOLDER", "once FOLDER --resume");
        assertThat(err)
                .contains("moe4j: rank 1 failed with exit code 1, in attempt 1: starting all ranks again")
                .noneMatch(line -> line.contains("attempt 2"));
        assertThat(log(1))
                .contains("the disk is full")
                .contains("=== attempt 2")
                .contains("once FOLDER --resume");
    }

    /** Ctrl-C in a terminal also reaches the ranks, which stop cleanly at different times. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void ranksThatEndByCtrlCHaveNotFailed() {
        assertThat(launch(2, 0, List.of("sh", "-c", "sleep $RANK; exit 130"))).isEqualTo(128 + 15);
        assertThat(err).noneMatch(line -> line.contains("rank 1"));
    }

    @Test
    void argumentsOfARestartComeOnce() {
        Launcher.Plan plan = new Launcher.Plan(
                List.of("train", "--resume"), List.of("--resume"), 1, 1, 1, Duration.ofSeconds(1), folder);
        assertThat(Launcher.command(plan, 2)).containsExactly("train", "--resume");
    }

    @Test
    void aWrongCommandIsNotTriedAgain() {
        assertThat(launch(1, 5, launched("wrong-usage"))).isEqualTo(2);
        assertThat(err)
                .singleElement()
                .asString()
                .startsWith("moe4j: rank 0 failed with exit code 2, in attempt 1; see ");
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aKilledRankIsTheCause() throws InterruptedException, IOException {
        try (RunningLauncher launcher = new RunningLauncher()) {
            launcher.rank(1).destroyForcibly();
            assertThat(launcher.process.waitFor(STUCK_SECONDS, TimeUnit.SECONDS))
                    .isTrue();
            assertThat(launcher.output()).contains("failed: rank 1 was ended by signal 9; see ");
            launcher.assertNoRankLeft();
        }
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void noRankOutlivesALauncherThatIsKilled() throws InterruptedException, IOException {
        try (RunningLauncher launcher = new RunningLauncher()) {
            launcher.process.destroyForcibly();
            launcher.assertNoRankLeft();
        }
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void anInterruptionEndsAll() throws InterruptedException, IOException {
        try (RunningLauncher launcher = new RunningLauncher()) {
            launcher.process.destroy(); // SIGTERM
            assertThat(launcher.process.waitFor(STUCK_SECONDS, TimeUnit.SECONDS))
                    .isTrue();
            launcher.assertNoRankLeft();
        }
    }

    /** A launcher in a separate process with two waiting ranks. */
    private final class RunningLauncher implements AutoCloseable {

        final Process process;

        RunningLauncher() throws IOException, InterruptedException {
            List<String> command =
                    java(LauncherMain.class.getName(), folder.resolve("logs").toString());
            command.addAll(launched("wait", folder.toString()));
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("output").toFile())
                    .start();
            for (int rank = 0; rank < 2; rank++) {
                long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(STUCK_SECONDS);
                while (pid(rank).isEmpty()) {
                    assertThat(System.nanoTime())
                            .as("rank %d starts: %s", rank, output())
                            .isLessThan(end);
                    Thread.sleep(20);
                }
            }
        }

        private String pid(int rank) throws IOException {
            Path file = folder.resolve("pid-" + rank);
            return Files.exists(file) ? Files.readString(file) : "";
        }

        ProcessHandle rank(int rank) throws IOException {
            return ProcessHandle.of(Long.parseLong(pid(rank))).orElseThrow();
        }

        String output() throws IOException {
            return Files.readString(folder.resolve("output"));
        }

        void assertNoRankLeft() throws IOException, InterruptedException {
            for (int rank = 0; rank < 2; rank++) {
                long pid = Long.parseLong(pid(rank));
                long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(STUCK_SECONDS);
                while (ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false)) {
                    assertThat(System.nanoTime()).as("rank %d ends", rank).isLessThan(end);
                    Thread.sleep(20);
                }
            }
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }
}
