package dev.moe4j.tensor;

import static dev.moe4j.tensor.cuda.NativeCalls.INT;
import static dev.moe4j.tensor.cuda.NativeCalls.LONG;

import dev.moe4j.tensor.cuda.KernelLauncher;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.cuda.NativeCalls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/**
 * Runs the CUDA kernels on the CPU, compiled by a C++ compiler with {@code host.h}. This is slow, but tests the kernels
 * without a GPU.
 */
public final class HostLauncher implements KernelLauncher {

    private final NativeCalls library;
    private final MethodHandle launch;

    private HostLauncher(NativeCalls library) {
        this.library = library;
        this.launch = library.procedure("launchOnHost", LONG, INT, INT, LONG);
    }

    /** The kernels, compiled by g++; empty if g++ is not installed. */
    public static Optional<Kernels> kernels() {
        Libtorch.load();
        return compile(Kernels.resource("host.h") + Kernels.source()).map(Kernels::new);
    }

    private static Optional<HostLauncher> compile(String source) {
        try {
            Path folder = Files.createTempDirectory("moe4j-kernels");
            Path library = folder.resolve("kernels.so");
            try {
                Path program = Files.writeString(folder.resolve("kernels.cpp"), source);
                Process compiler;
                try {
                    compiler = new ProcessBuilder(
                                    "g++",
                                    "-std=c++17",
                                    "-O1",
                                    "-fPIC",
                                    "-shared",
                                    program.toString(),
                                    "-o",
                                    library.toString())
                            .redirectErrorStream(true)
                            .start();
                } catch (IOException e) {
                    return Optional.empty(); // g++ is not installed
                }
                String messages = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                if (compiler.waitFor() != 0) {
                    throw new TensorException("g++ does not compile the kernels: " + messages.strip());
                }
                return NativeCalls.first(library.toString()).map(HostLauncher::new);
            } finally {
                Files.deleteIfExists(folder.resolve("kernels.cpp"));
                Files.deleteIfExists(library); // the loaded library stays mapped
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TensorException("interrupted while g++ compiled the kernels", e);
        }
    }

    @Override
    public synchronized void launch(String kernel, long blocks, int threads, int sharedBytes, long... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocateFrom(ValueLayout.JAVA_LONG, Arrays.copyOf(arguments, MOST_ARGUMENTS));
            launch.invokeExact(library.address(kernel), Math.toIntExact(blocks), threads, values.address());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new TensorException("cannot run the kernel " + kernel, e);
        }
    }
}
