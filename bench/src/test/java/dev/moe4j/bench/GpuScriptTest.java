package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Checks the commands that scripts/gpu.sh runs on a GPU. */
class GpuScriptTest {

    @TempDir
    private Path folder;

    /** Like the peers, the runs use one micro-batch per step. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void everyRunIsValid() throws IOException, InterruptedException {
        Path calls = folder.resolve("calls");
        Path moe4j = Files.writeString(folder.resolve("moe4j"), """
                #!/bin/sh
                echo "$*" >>'%s'
                echo '{}'
                """.formatted(calls));
        Files.setPosixFilePermissions(moe4j, PosixFilePermissions.fromString("rwxr-xr-x"));
        ProcessBuilder builder = new ProcessBuilder(
                        "bash",
                        Path.of("scripts", "gpu.sh").toString(),
                        folder.resolve("out").toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile());
        builder.environment().put("MOE4J", moe4j.toString());
        // Skips the peers.
        builder.environment().put("PYTHON", "false");
        builder.environment().keySet().removeAll(List.of("TINY", "DEVICE", "ONLY", "LIMIT_S"));
        builder.start().waitFor();

        List<String> runs = Files.readAllLines(calls).stream()
                .filter(call -> call.startsWith("bench train "))
                .toList();
        assertThat(runs).as(Files.readString(folder.resolve("output"))).isNotEmpty();
        for (String run : runs) {
            List<String> words = Arrays.asList(run.split(" "));
            List<String> overrides = new ArrayList<>();
            for (int i = 0; i < words.size(); i++) {
                if (words.get(i).equals("--set")) {
                    overrides.add(words.get(i + 1));
                }
            }
            BatchConfig batch = RunConfig.read(words.get(words.indexOf("--preset") + 1), overrides)
                    .batch();
            assertThat(batch.microBatch()).as(run).isEqualTo(batch.sequences());
        }
    }
}
