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

/** Training in float32 does without the processor's bfloat16 tiles, if it has some, and training in bfloat16 does not. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class AmxTilesTest {

    @TempDir
    private static Path temp;

    private static Path shards;
    private static String processor;

    @BeforeAll
    static void prepareText() throws IOException {
        processor = Files.readString(Path.of("/proc/cpuinfo"));
        assumeTrue(processor.contains("avx512f"), "products in float32 go through oneDNN where there is AVX-512");
        Path text = Files.writeString(temp.resolve("text.txt"), "Signifying nothing.\n\n".repeat(400));
        shards = temp.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();
    }

    @Test
    void trainingInFloat32DoesWithoutTilesAndResumesSo() throws Exception {
        assertThat(tiles(train("fp32", "one", 1))).isFalse();
        // Without a precision the run keeps that which it has.
        assertThat(tiles(train("auto", "one", 2, "--resume", "--allow-change=steps")))
                .isFalse();
        assertThat(Files.readString(temp.resolve("one/step-00000002/state.json")))
                .doesNotContain("AMX");
    }

    /** What processes meet by loads libtorch, too. Of their output rank 0's is shown. */
    @Test
    void processesThatTrainTogetherDoWithoutThem() throws Exception {
        List<String> launch = new ArrayList<>(List.of("launch", "--processes=2", "--threads=1", "--"));
        launch.addAll(train("fp32", "two", 1));
        assertThat(tiles(launch)).isFalse();
    }

    @Test
    void trainingInBfloat16TakesThem() throws Exception {
        boolean has = processor.contains("amx_bf16");
        assertThat(tiles(train("bf16", "tiles", 1))).isEqualTo(has);
        assertThat(Files.readString(temp.resolve("tiles/step-00000001/state.json"))
                        .contains("AVX512/AVX512_CORE_AMX"))
                .isEqualTo(has);
    }

    @Test
    void benchmarksOfStepsDoAsTrainingDoes() throws Exception {
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

    /** Whether oneDNN says, when it multiplies for the first time, that it uses tiles. */
    private static boolean tiles(List<String> args) throws IOException, InterruptedException {
        Path said = Files.createTempFile(temp, "said", ".txt");
        ProcessBuilder builder = RealProcess.builder(args.toArray(String[]::new));
        builder.environment().put("ONEDNN_VERBOSE", "1");
        Process process =
                builder.redirectErrorStream(true).redirectOutput(said.toFile()).start();
        int code = process.waitFor();
        List<String> instructions;
        try (var lines = Files.lines(said)) {
            instructions = lines.filter(line -> line.contains("cpu,isa:")).toList();
        }
        assertThat(code).as(said.toString()).isZero();
        assertThat(instructions).hasSize(1);
        return instructions.getFirst().contains("AMX");
    }
}
