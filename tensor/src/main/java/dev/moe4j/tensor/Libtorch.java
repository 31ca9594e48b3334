package dev.moe4j.tensor;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.tensor.cpu.NativeLibraries;
import dev.moe4j.tensor.cpu.NativeThreads;
import dev.moe4j.tensor.cpu.OneDnnInstructions;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Loads libtorch once per process and configures it: threads, environment variables and the CPU instructions to use. The
 * settings are made here and not in the launcher, so that programs that embed moe4j get them too.
 */
public final class Libtorch {

    /** The release of the bundled libtorch. */
    public static final String VERSION = "2.10.0";

    private static final AtomicInteger THREADS = new AtomicInteger();

    /** Bound while {@link #onOneThread} runs. */
    private static final ScopedValue<Boolean> ONE_THREAD = ScopedValue.newInstance();

    private static final String ONE_DNN_LIMIT = "ONEDNN_MAX_CPU_ISA";
    private static final String NO_LIMIT = "ALL";

    /** The value of {@link #ONE_DNN_LIMIT} in this process. */
    private static final String ONE_DNN_UP_TO =
            Objects.requireNonNullElse(System.getenv(ONE_DNN_LIMIT), AmxTiles.wanted() ? NO_LIMIT : "AVX512_CORE_BF16");

    private Libtorch() {}

    static {
        // Scopes free pointers. By default JavaCPP also registers each pointer with the garbage collector, which
        // doubles
        // or triples the cost of a call, and stalls calls near its own memory limit, which does not count tensors.
        setDefault("org.bytedeco.javacpp.nopointergc", "true");
        setDefault("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        setEnvironmentDefaults();
        NativeLibraries.load();
        threads(initialThreads());
        Float32Matmul.choose();
    }

    /** Loads the native library if it is not loaded yet. */
    public static void load() {
        // The static initializer loads it.
    }

    /**
     * The cores of this process, or the number of threads that the environment sets. Outside Linux the topology is unknown:
     * processors may share a core, and some cores may be slow. There libtorch's own default is the upper limit.
     */
    private static int initialThreads() {
        int wanted = Processors.threads(1);
        return NativeLibraries.LINUX ? wanted : Math.min(wanted, torch.get_num_threads());
    }

    /** The number of threads that an operation on the CPU may use. */
    public static int threads() {
        return ONE_THREAD.isBound() ? 1 : THREADS.get();
    }

    /**
     * Sets the number of threads that each operation on the CPU may use, for all threads that call libtorch from now on.
     *
     * @throws TensorException if the number is below 1
     */
    public static void threads(int count) {
        if (count < 1) {
            throw new TensorException("the number of threads must be at least 1, not " + count);
        }
        torch.set_num_threads(count);
        THREADS.set(count);
        // OpenBLAS has one thread count for the whole process. It is 1 if ParallelMatmul partitions the products.
        NativeThreads.ofOpenBlas(ParallelTasks.inParallel() ? 1 : count);
    }

    /**
     * Runs work with single-threaded CPU operations. For many small operations this is faster, because synchronizing several
     * threads takes longer than computing. Operations that other threads call are not affected. Has no effect if the
     * platform cannot set the number of threads per calling thread.
     */
    public static <T extends @Nullable Object> T onOneThread(Supplier<T> work) {
        if (threads() == 1 || !NativeThreads.perThread()) {
            return work.get();
        }
        NativeThreads.ofThisThread(1);
        try {
            return asOneThread(work);
        } finally {
            NativeThreads.ofThisThread(threads());
        }
    }

    /** Runs work during which {@link #threads()} returns 1. */
    static <T extends @Nullable Object> T asOneThread(Supplier<T> work) {
        return ScopedValue.where(ONE_THREAD, true).call(work::get);
    }

    /**
     * The instruction sets that determine the exact results on this CPU, such as {@code AVX512/AVX512_CORE_AMX}. The first is
     * the one of libtorch's own kernels, the second the one of oneDNN. The second is missing if it is unknown, as on
     * Windows and outside x86.
     */
    public static String instructionSet() {
        String oneDnn = oneDnnInstructions();
        try (BytePointer kernels = torch.get_cpu_capability()) {
            return kernels.getString() + (oneDnn == null ? "" : "/" + oneDnn);
        }
    }

    /** The instruction set that oneDNN uses, such as {@code AVX512_CORE_AMX}; null if it is unknown. */
    public static @Nullable String oneDnnInstructions() {
        load();
        String ofCpu = OneDnnInstructions.ofCpu();
        return ofCpu == null ? null : OneDnnInstructions.within(ONE_DNN_UP_TO, ofCpu);
    }

    /** The number of CUDA devices that libtorch can use; 0 without CUDA libraries. */
    public static int cudaDevices() {
        return torch.cuda_is_available() ? Byte.toUnsignedInt(torch.cuda_device_count()) : 0;
    }

    /** Waits until the device has finished all work submitted to it. Returns immediately for the CPU. */
    public static void synchronize(Device device) {
        if (device.isCuda()) {
            torch.cuda_synchronize(device.index());
        }
    }

    /** Whether oneDNN, and not OpenBLAS, computes float32 matrix products on the CPU. */
    public static boolean float32ThroughOneDnn() {
        return Float32Matmul.throughOneDnn();
    }

    private static void setDefault(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    private static void setEnvironmentDefaults() {
        if (!NativeLibraries.LINUX) {
            return;
        }
        // libgomp's waiting threads spin. On shared cores this slows work down by up to a factor of five.
        Map<String, String> defaults = new HashMap<>(Map.of("GOMP_SPINCOUNT", "1000", "TORCH_CPP_LOG_LEVEL", "ERROR"));
        if (!ONE_DNN_UP_TO.equals(NO_LIMIT)) {
            defaults.put(ONE_DNN_LIMIT, ONE_DNN_UP_TO);
        }
        Linker linker = Linker.nativeLinker();
        var setenv = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("setenv"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            for (var entry : defaults.entrySet()) {
                MemorySegment name = arena.allocateFrom(entry.getKey());
                MemorySegment value = arena.allocateFrom(entry.getValue());
                int _ = (int) setenv.invokeExact(name, value, 0);
            }
            // If OMP_DYNAMIC is true, OpenMP uses fewer threads on a busy machine. Results depend on the number of
            // threads.
            int _ = (int) setenv.invokeExact(arena.allocateFrom("OMP_DYNAMIC"), arena.allocateFrom("false"), 1);
        } catch (Throwable e) {
            throw new TensorException("cannot set the native library's environment", e);
        }
    }
}
