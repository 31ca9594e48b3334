package dev.moe4j.tensor.cuda;

import static dev.moe4j.tensor.cuda.NativeCalls.INT;
import static dev.moe4j.tensor.cuda.NativeCalls.LONG;
import static dev.moe4j.tensor.cuda.NativeCalls.call;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.global.torch;

/**
 * Launches CUDA kernels and measures time with CUDA events, by the CUDA driver API, which libtorch's Java binding lacks.
 * Kernels run in libtorch's primary context and on the default stream, so they are ordered with libtorch's operations.
 */
public final class CudaDriver implements KernelLauncher {

    private static final int FLOAT_BYTES = 4;
    private static final int COMPUTE_MAJOR = 75;
    private static final int COMPUTE_MINOR = 76;

    private static final ConcurrentHashMap<Device, CudaDriver> OF_DEVICES = new ConcurrentHashMap<>();

    private final NativeCalls library;
    private final int device;
    private final long context;
    private final MethodHandle setContext;
    private final MethodHandle getFunction;
    private final MethodHandle launchKernel;
    private final MethodHandle createEvent;
    private final MethodHandle recordEvent;
    private final MethodHandle destroyEvent;
    private final MethodHandle synchronizeEvent;
    private final MethodHandle elapsedTime;
    private final Map<String, Long> functions = new HashMap<>();
    private long module;

    /**
     * The driver interface for a device.
     *
     * @throws TensorException if the driver or the device is missing
     */
    public static CudaDriver of(Device device) {
        return OF_DEVICES.computeIfAbsent(device, CudaDriver::new);
    }

    /** Retains the device's primary context, which libtorch uses too. */
    private CudaDriver(Device device) {
        this.library = NativeCalls.first("libcuda.so.1")
                .orElseThrow(() -> new TensorException("libcuda.so.1 not found; install NVIDIA's driver"));
        this.device = device.index();
        this.setContext = library.function("cuCtxSetCurrent", LONG);
        this.getFunction = library.function("cuModuleGetFunction", LONG, LONG, LONG);
        this.launchKernel =
                library.function("cuLaunchKernel", LONG, INT, INT, INT, INT, INT, INT, INT, LONG, LONG, LONG);
        this.createEvent = library.function("cuEventCreate", LONG, INT);
        this.recordEvent = library.function("cuEventRecord", LONG, LONG);
        this.destroyEvent = library.function("cuEventDestroy_v2", LONG);
        this.synchronizeEvent = library.function("cuEventSynchronize", LONG);
        this.elapsedTime = library.function("cuEventElapsedTime", LONG, LONG, LONG);
        try (Arena arena = Arena.ofConfined()) {
            check("cuInit", call(library.function("cuInit", INT), 0));
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            check(
                    "cuDevicePrimaryCtxRetain",
                    call(library.function("cuDevicePrimaryCtxRetain", LONG, INT), out.address(), this.device));
            context = out.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** The device's architecture, such as {@code sm_90}. */
    public String architecture() {
        return "sm_" + attribute(COMPUTE_MAJOR) + attribute(COMPUTE_MINOR);
    }

    private int attribute(int number) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
            check(
                    "cuDeviceGetAttribute",
                    call(library.function("cuDeviceGetAttribute", LONG, INT, INT), out.address(), number, device));
            return out.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** Loads a compiled module, whose kernels {@link #launch} can then start. */
    CudaDriver load(byte[] code) {
        try (Arena arena = Arena.ofConfined()) {
            enter();
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            MemorySegment image = arena.allocate(code.length, Long.BYTES);
            image.copyFrom(MemorySegment.ofArray(code));
            check(
                    "cuModuleLoadData",
                    call(library.function("cuModuleLoadData", LONG, LONG), out.address(), image.address()));
            module = out.get(ValueLayout.JAVA_LONG, 0);
        }
        return this;
    }

    @Override
    public synchronized void launch(String kernel, long blocks, int threads, int sharedBytes, long... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            enter();
            long function = functions.computeIfAbsent(kernel, this::function);
            // Little-endian: a 32-bit parameter reads the low bytes of the 64-bit value.
            MemorySegment values = arena.allocateFrom(ValueLayout.JAVA_LONG, arguments);
            MemorySegment pointers = arena.allocate(ValueLayout.JAVA_LONG, arguments.length);
            for (int i = 0; i < arguments.length; i++) {
                pointers.setAtIndex(ValueLayout.JAVA_LONG, i, values.address() + (long) i * Long.BYTES);
            }
            check(
                    kernel,
                    call(
                            launchKernel,
                            function,
                            Math.toIntExact(blocks),
                            1,
                            1,
                            threads,
                            1,
                            1,
                            sharedBytes,
                            stream(),
                            pointers.address(),
                            0L));
        }
    }

    private long function(String kernel) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            check(
                    "cuModuleGetFunction " + kernel,
                    call(
                            getFunction,
                            out.address(),
                            module,
                            arena.allocateFrom(kernel).address()));
            return out.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Records an event on libtorch's current stream; returns it for {@link #nanoseconds}. */
    public long mark() {
        try (Arena arena = Arena.ofConfined()) {
            enter();
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            check("cuEventCreate", call(createEvent, out.address(), 0));
            long event = out.get(ValueLayout.JAVA_LONG, 0);
            check("cuEventRecord", call(recordEvent, event, stream()));
            return event;
        }
    }

    /** The device's time between two events. Waits for the second event, and destroys both. */
    public long nanoseconds(long from, long to) {
        try (Arena arena = Arena.ofConfined()) {
            enter();
            check("cuEventSynchronize", call(synchronizeEvent, to));
            MemorySegment milliseconds = arena.allocate(FLOAT_BYTES);
            check("cuEventElapsedTime", call(elapsedTime, milliseconds.address(), from, to));
            check("cuEventDestroy", call(destroyEvent, from));
            check("cuEventDestroy", call(destroyEvent, to));
            return Math.round(milliseconds.get(ValueLayout.JAVA_FLOAT, 0) * 1e6);
        }
    }

    private void enter() {
        check("cuCtxSetCurrent", call(setContext, context));
    }

    /** libtorch's current stream, which moe4j does not change from the default stream. */
    private long stream() {
        try (Stream current = torch.getCurrentStream((byte) device)) {
            if (current.id() != 0) {
                throw new TensorException("libtorch's current stream on cuda:" + device
                        + " is not the default stream, which moe4j's kernels"
                        + " need; set the default stream, or -Dmoe4j.kernels=off");
            }
            return 0;
        }
    }

    private static void check(String call, int result) {
        if (result != 0) {
            throw new TensorException("CUDA: " + call + " failed with error " + result);
        }
    }
}
