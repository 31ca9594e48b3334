package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Training in float32 does not enable the processor's AMX bfloat16 tiles; training in bfloat16 does. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class AmxTilesTest {

    @TempDir
    private static Path temp;

    private static Path shards;
    private static String processor;

    @BeforeAll
    static void prepareText() throws IOException {
        processor = Files.readString(Path.of("/proc/cpuinfo"));
        assumeTrue(processor.contains("avx512f"), "float32 products use oneDNN with AVX-512 only");
        Path text = Files.writeString(temp.resolve("text.txt"), "Signifying nothing.\n\n".repeat(400));
        shards = temp.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();
    }

    @Test
    void trainingInFloat32UsesNoTilesAfterResumingEither() throws Exception {
        assertThat(tiles(train("fp32", "one", 1))).isFalse();
        // With precision auto, a resumed run keeps its precision.
        assertThat(tiles(train("auto", "one", 2, "--resume", "--allow-change=steps")))
                .isFalse();
        assertThat(Files.readString(temp.resolve("one/step-00000002/state.json")))
                .doesNotContain("AMX");
    }

    /** Covers process groups, whose setup loads libtorch too. Only rank 0's output is shown. */
    @Test
    void processGroupsInFloat32UseNoTiles() throws Exception {
        List<String> launch = new ArrayList<>(List.of("launch", "--processes=2", "--threads=1", "--"));
        launch.addAll(train("fp32", "two", 1));
        assertThat(tiles(launch)).isFalse();
    }

    @Test
    void trainingInBfloat16UsesTiles() throws Exception {
        boolean has = processor.contains("amx_bf16");
        assertThat(tiles(train("bf16", "tiles", 1))).isEqualTo(has);
        assertThat(Files.readString(temp.resolve("tiles/step-00000001/state.json"))
                        .contains("AVX512/AVX512_CORE_AMX"))
                .isEqualTo(has);
    }

    @Test
    void trainingBenchmarksInFloat32UseNoTiles() throws Exception {
        assertThat(tiles(List.of("bench", "train", "--preset=cpu-tiny-dense", "--precision=fp32", "--steps=5")))
                .isFalse();
    }

    private static List<String> train(String precision, String run, int steps, String... more) {
        List<String> args = new ArrayList<>(List.of(
                "train",
                "--model=cpu-tiny-dense",
                "--data=" + shards,
                "--steps=" + steps,
                "--out=" + temp.resolve(run),
                "--set=precision=" + precision));
        args.addAll(List.of(more));
        return args;
    }

    /** Whether oneDNN reports AMX when it runs its first product. */
    private static boolean tiles(List<String> args) throws IOException, InterruptedException {
        Path log = Files.createTempFile(temp, "log", ".txt");
        ProcessBuilder builder = RealProcess.builder(args.toArray(String[]::new));
        builder.environment().put("ONEDNN_VERBOSE", "1");
        Process process =
                builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
        int code = process.waitFor();
        List<String> instructions;
        try (var lines = Files.lines(log)) {
            instructions = lines.filter(line -> line.contains("cpu,isa:")).toList();
        }
        assertThat(code).as(log.toString()).isZero();
        assertThat(instructions).hasSize(1);
        return instructions.getFirst().contains("AMX");
    }
}
