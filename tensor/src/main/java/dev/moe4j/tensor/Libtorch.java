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
 * The native library: loaded once, with the settings that make it fast on the JVM. Everything that can be set from
 * inside the process is set here, so that programs which embed moe4j have it without the launcher.
 */
public final class Libtorch {

    /** The release of libtorch that the native libraries hold. */
    public static final String VERSION = "2.10.0";

    private static final AtomicInteger THREADS = new AtomicInteger();

    /** Bound where {@link #onOneThread} runs. */
    private static final ScopedValue<Boolean> ONE_THREAD = ScopedValue.newInstance();

    private static final String ONE_DNN_LIMIT = "ONEDNN_MAX_CPU_ISA";
    private static final String NO_LIMIT = "ALL";

    /** What {@link #ONE_DNN_LIMIT} is while this process runs. */
    private static final String ONE_DNN_UP_TO =
            Objects.requireNonNullElse(System.getenv(ONE_DNN_LIMIT), AmxTiles.wanted() ? NO_LIMIT : "AVX512_CORE_BF16");

    private Libtorch() {}

    static {
        // Pointers are freed by scopes; without this JavaCPP registers each with the garbage collector (2-3 times
        // the cost of a call) and stalls near a limit of its own that knows nothing of tensors.
        setDefault("org.bytedeco.javacpp.nopointergc", "true");
        setDefault("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        setEnvironmentDefaults();
        NativeLibraries.load();
        threads(initialThreads());
        Float32Products.settle();
    }

    /** Loads the native library if it is not loaded yet. */
    public static void load() {
        // The static initialiser does it.
    }

    /**
     * The cores of this process, or what the environment asks for. Outside Linux nothing tells which processors share a core,
     * or which cores are slow ones: libtorch's own number is the most there.
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
     * Sets the number of threads that each operation may use, for every thread that calls libtorch from now on. Two
     * models that train side by side take one each.
     */
    public static void threads(int count) {
        if (count < 1) {
            throw new TensorException("the number of threads must be at least 1, not " + count);
        }
        torch.set_num_threads(count);
        THREADS.set(count);
        // OpenBLAS has one number for the whole process. Where products are divided, it is always 1.
        NativeThreads.ofOpenBlas(ParallelTasks.inParallel() ? 1 : count);
    }

    /**
     * Runs work whose operations on the CPU use the calling thread alone, where each thread can have a number of its own:
     * for many that are so small that several threads would take longer to meet than to compute. Other threads' operations
     * use as many as before.
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

    /** Runs work for which {@link #threads} is 1. */
    static <T extends @Nullable Object> T asOneThread(Supplier<T> work) {
        return ScopedValue.where(ONE_THREAD, true).call(work::get);
    }

    /**
     * The instructions that results on this CPU depend on: those that libtorch's own kernels use and those that oneDNN
     * does, such as {@code AVX512/AVX512_CORE_AMX}; the latter only where they are known, which is on x86 but not on Windows.
     */
    public static String instructionSet() {
        String oneDnn = oneDnnInstructions();
        try (BytePointer kernels = torch.get_cpu_capability()) {
            return kernels.getString() + (oneDnn == null ? "" : "/" + oneDnn);
        }
    }

    /** The instruction set that oneDNN uses, such as {@code AVX512_CORE_AMX}; null where it is not known. */
    public static @Nullable String oneDnnInstructions() {
        load();
        String ofCpu = OneDnnInstructions.ofCpu();
        return ofCpu == null ? null : OneDnnInstructions.within(ONE_DNN_UP_TO, ofCpu);
    }

    public static int cudaDevices() {
        return torch.cuda_is_available() ? Byte.toUnsignedInt(torch.cuda_device_count()) : 0;
    }

    /** Waits until the device has finished what was asked of it; nothing on the CPU, whose calls are synchronous. */
    public static void synchronize(Device device) {
        if (device.isCuda()) {
            torch.cuda_synchronize(device.index());
        }
    }

    /** Whether oneDNN, which follows this CPU's instructions, computes products in float32. */
    public static boolean float32ThroughOneDnn() {
        return Float32Products.throughOneDnn();
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
        // libgomp's waiting threads spin; on cores that are shared this costs up to a factor of five.
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
            // With it OpenMP uses fewer threads on a busy machine, and results depend on the number of threads.
            int _ = (int) setenv.invokeExact(arena.allocateFrom("OMP_DYNAMIC"), arena.allocateFrom("false"), 1);
        } catch (Throwable e) {
            throw new TensorException("cannot set the native library's environment", e);
        }
    }
}
