package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class LibtorchTest {

    /** OpenBLAS's too, which libtorch does not reach. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void threadsAreThoseOfEveryLibrary() {
        int before = Libtorch.threads();
        try {
            for (int count : new int[] {1, 2, 1}) {
                Libtorch.threads(count);
                assertThat(Libtorch.threads()).isEqualTo(count);
                assertThat(threadsOfOpenBlas()).isEqualTo(count);
            }
        } finally {
            Libtorch.threads(before);
        }
        assertThatThrownBy(() -> Libtorch.threads(0)).isInstanceOf(TensorException.class);
    }

    /** As the system says what the CPU has. */
    @Test
    @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
    void theInstructionSetTellsOfOneDnn() throws IOException {
        String cpu = Files.readString(Path.of("/proc/cpuinfo"));
        String oneDnn = cpu.contains("amx_tile")
                ? "AVX512_CORE_AMX"
                : cpu.contains("avx512_bf16") ? "AVX512_CORE_BF16" : cpu.contains("avx512f") ? "AVX512_CORE" : "AVX2";
        assertThat(Libtorch.instructionSet()).contains("/" + oneDnn);
        assertThat(OneDnnInstructions.within("ALL", "AVX512_CORE_AMX")).isEqualTo("AVX512_CORE_AMX");
        assertThat(OneDnnInstructions.within("AVX512_CORE_BF16", "AVX512_CORE_AMX"))
                .isEqualTo("AVX512_CORE_BF16");
        assertThat(OneDnnInstructions.within("AVX512_CORE_BF16", "AVX2")).isEqualTo("AVX2");
    }

    /** It has one number for the process: whoever is done first leaves it to the others. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void openBlasHasOneThreadUntilTheLastWhoWantsThatIsDone() {
        int before = Libtorch.threads();
        Libtorch.threads(3);
        try {
            int meanwhile = Libtorch.onOneThread(() -> {
                elsewhere(() -> {
                    ParallelTasks.run(3, _ -> assertThat(threadsOfOpenBlas()).isEqualTo(1));
                    assertThat(threadsOfOpenBlas()).as("after tasks").isEqualTo(1);
                    int inner = Libtorch.onOneThread(LibtorchTest::threadsOfOpenBlas);
                    assertThat(inner).isEqualTo(1);
                    assertThat(threadsOfOpenBlas()).as("after work").isEqualTo(1);
                    Libtorch.threads(2);
                });
                return threadsOfOpenBlas();
            });
            assertThat(meanwhile).as("set meanwhile").isEqualTo(1);
            assertThat(threadsOfOpenBlas()).isEqualTo(2);
        } finally {
            Libtorch.threads(before);
        }
    }

    static int threadsOfOpenBlas() {
        return number("openblas_get_num_threads");
    }

    /** What a C function without arguments returns. */
    static int number(String function) {
        MethodHandle number = Linker.nativeLinker()
                .downcallHandle(
                        SymbolLookup.loaderLookup().findOrThrow(function), FunctionDescriptor.of(ValueLayout.JAVA_INT));
        try {
            return (int) number.invokeExact();
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void tilesThatAreSettledTooLateAreReported() {
        assertThat(AmxTiles.refusal(true, false, "AVX512_CORE_AMX", null).orElseThrow())
                .contains("with AMX tiles", "in a new process");
        assertThat(AmxTiles.refusal(false, true, "AVX512_CORE_AMX_FP16", null).orElseThrow())
                .contains("without AMX tiles");
        assertThat(AmxTiles.refusal(true, true, "AVX512_CORE_AMX", null)).isEmpty();
        assertThat(AmxTiles.refusal(true, false, "AVX512_CORE_BF16", null)).isEmpty();
        assertThat(AmxTiles.refusal(true, false, null, null)).isEmpty();
        assertThat(AmxTiles.refusal(true, false, "AVX512_CORE_AMX", "AVX512_CORE"))
                .as("the environment decides")
                .isEmpty();
    }

    private static void elsewhere(Runnable work) {
        CompletableFuture.runAsync(work, Thread.ofPlatform()::start).join();
    }

    @Test
    void workOnOneThreadLeavesOthersTheirs() {
        int before = Libtorch.threads();
        Libtorch.threads(3);
        try {
            String result = Libtorch.onOneThread(() -> {
                assertThat(Libtorch.threads()).isEqualTo(1);
                assertThat(torch.get_num_threads()).isEqualTo(1);
                assertThat(CompletableFuture.supplyAsync(torch::get_num_threads).join())
                        .isEqualTo(3);
                ParallelTasks.run(4, _ -> assertThat(torch.get_num_threads()).isEqualTo(1));
                return Libtorch.onOneThread(() -> "inner") + torch.get_num_threads();
            });
            assertThat(result).isEqualTo("inner1");
            assertThat(torch.get_num_threads()).isEqualTo(3);
            assertThatThrownBy(() -> Libtorch.onOneThread(() -> {
                        throw new IllegalStateException("in the work");
                    }))
                    .hasMessage("in the work");
            assertThat(torch.get_num_threads()).isEqualTo(3);
            assertThat(Libtorch.threads()).isEqualTo(3);
        } finally {
            Libtorch.threads(before);
        }
    }
}
