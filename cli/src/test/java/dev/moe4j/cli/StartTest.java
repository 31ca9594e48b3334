package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StartTest {
    /** Checks that commands load slow classes only when they need them. */
    @ParameterizedTest
    @ValueSource(strings = {"--help", "eval perplexity --help", "bench train --help", "plan --help", "launch --help"})
    void helpLoadsNothingHeavy(String args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xlog:class+load:stdout",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(args.split(" ")));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).isZero();
        assertThat(output).contains("Usage: moe4j", "dev.moe4j.cli.Main ");
        assertThat(output.lines().filter(line -> line.contains("[class,load]")))
                .noneMatch(line -> line.contains(" org.bytedeco."))
                .noneMatch(line -> line.contains(" dev.moe4j.tensor."))
                .noneMatch(line -> line.contains(" ch.qos.logback."))
                .noneMatch(line -> line.contains(" tools.jackson."))
                .noneMatch(line -> line.contains(" me.tongfei."));
    }

    /** The root pom must run tests with the JVM options and environment that ./moe4j sets. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    @EnabledIfSystemProperty(named = "moe4j.surefire", matches = "true")
    void testsRunInTheEnvironmentOfCommands() {
        assertThat(ManagementFactory.getRuntimeMXBean().getInputArguments())
                .contains(
                        "-XX:+UseSerialGC",
                        "-Dorg.bytedeco.javacpp.nopointergc=true",
                        "--enable-native-access=ALL-UNNAMED");
        assertThat(System.getenv())
                .containsEntry("MALLOC_ARENA_MAX", "1024")
                .containsEntry("MALLOC_MMAP_MAX_", "0")
                .containsEntry("MALLOC_TRIM_THRESHOLD_", "2000000000")
                .containsEntry("MALLOC_TOP_PAD_", "67108864")
                .containsEntry("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0")
                .containsEntry("GOMP_SPINCOUNT", "1000")
                .containsEntry("TORCH_CPP_LOG_LEVEL", "ERROR")
                .doesNotContainKey("OPENBLAS_CORETYPE");
    }
}
