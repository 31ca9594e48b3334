package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.tensor.cpu.OneDnnInstructions;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class LibtorchTest {

    /** OpenBLAS always has one thread, because ParallelMatmul partitions its products. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void threadsAreThoseOfEveryOperation() {
        int before = Libtorch.threads();
        try {
            for (int count : new int[] {1, 2, 1}) {
                Libtorch.threads(count);
                assertThat(Libtorch.threads()).isEqualTo(count);
                assertThat(torch.get_num_threads()).isEqualTo(count);
                assertThat(threadsOfOpenBlas()).isOne();
            }
        } finally {
            Libtorch.threads(before);
        }
        assertThatThrownBy(() -> Libtorch.threads(0)).isInstanceOf(TensorException.class);
    }

    /** Compares the instruction set with /proc/cpuinfo. */
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

    /** Products on all threads, on one thread, in tasks and of one row give the same result under load as without load. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void whatAThreadComputesDoesNotDependOnOthers() {
        int before = Libtorch.threads();
        Libtorch.threads(3);
        try {
            List<Supplier<float[]>> ways = List.of(
                    () -> product(200),
                    () -> Libtorch.onOneThread(() -> product(200)),
                    LibtorchTest::products,
                    () -> product(1));
            List<float[]> alone = ways.stream().map(Supplier::get).toList();
            int number = threadsOfOpenBlas();
            AtomicInteger rounds = new AtomicInteger();
            CompletableFuture<Void> other = CompletableFuture.runAsync(
                    () -> {
                        while (rounds.get() < 30) {
                            for (int way = 1; way < ways.size(); way++) {
                                assertThat(Arrays.equals(ways.get(way).get(), alone.get(way)))
                                        .as("way %s", way)
                                        .isTrue();
                                assertThat(threadsOfOpenBlas()).isEqualTo(number);
                            }
                            rounds.incrementAndGet();
                        }
                    },
                    Thread.ofPlatform()::start);
            while (!other.isDone()) {
                assertThat(Arrays.equals(ways.getFirst().get(), alone.getFirst()))
                        .isTrue();
                assertThat(threadsOfOpenBlas()).isEqualTo(number);
            }
            other.join();
        } finally {
            Libtorch.threads(before);
        }
    }

    /** The result of the last of several parallel tasks. */
    private static float[] products() {
        float[][] results = new float[4][];
        ParallelTasks.run(results.length, i -> results[i] = product(100 + i));
        return results[3];
    }

    private static float[] product(long rows) {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FLOAT32, Device.CPU, rows, 300);
            Tensor b = Tensor.zeros(DType.FLOAT32, Device.CPU, 4000, 300);
            new RandomKey(1).fillNormal(a, 1);
            new RandomKey(2).fillNormal(b, 1);
            return Functions.linear(a, b).toFloats();
        }
    }

    static int threadsOfOpenBlas() {
        return number("openblas_get_num_threads");
    }

    /** Calls a C function without arguments that returns int. */
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
