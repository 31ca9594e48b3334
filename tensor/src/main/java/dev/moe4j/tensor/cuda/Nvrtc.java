package dev.moe4j.tensor.cuda;

import static dev.moe4j.tensor.cuda.NativeCalls.INT;
import static dev.moe4j.tensor.cuda.NativeCalls.LONG;
import static dev.moe4j.tensor.cuda.NativeCalls.call;

import dev.moe4j.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/** Compiles CUDA C++ to machine code with NVRTC, NVIDIA's run-time compiler. This does not need a GPU. */
final class Nvrtc {

    private static final String[] NAMES = {
        "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so"
    };

    private final NativeCalls library;

    private Nvrtc(NativeCalls library) {
        this.library = library;
    }

    /** The installed compiler; empty if none is found. */
    static Optional<Nvrtc> find() {
        return NativeCalls.first(NAMES).map(Nvrtc::new);
    }

    /**
     * Compiles a source.
     *
     * @param architecture such as {@code sm_90}
     * @throws TensorException with the compiler's messages if the source does not compile
     */
    byte[] compile(String source, String name, String architecture) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = arena.allocate(ValueLayout.JAVA_LONG);
            check(call(
                    library.function("nvrtcCreateProgram", LONG, LONG, LONG, INT, LONG, LONG),
                    program.address(),
                    arena.allocateFrom(source).address(),
                    arena.allocateFrom(name).address(),
                    0,
                    0L,
                    0L));
            long handle = program.get(ValueLayout.JAVA_LONG, 0);
            try {
                List<String> options = List.of("--std=c++17", "--gpu-architecture=" + architecture);
                MemorySegment pointers = arena.allocate(ValueLayout.JAVA_LONG, options.size());
                for (int i = 0; i < options.size(); i++) {
                    pointers.setAtIndex(
                            ValueLayout.JAVA_LONG,
                            i,
                            arena.allocateFrom(options.get(i)).address());
                }
                int result = call(
                        library.function("nvrtcCompileProgram", LONG, INT, LONG),
                        handle,
                        options.size(),
                        pointers.address());
                if (result != 0) {
                    String log = new String(
                            text(arena, handle, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog"),
                            StandardCharsets.UTF_8);
                    throw new TensorException("%s does not compile %s for %s: %s"
                            .formatted(library.library(), name, architecture, log.strip()));
                }
                return text(arena, handle, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
            } finally {
                check(call(library.function("nvrtcDestroyProgram", LONG), program.address()));
            }
        }
    }

    private byte[] text(Arena arena, long program, String sizeFunction, String function) {
        MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
        check(call(library.function(sizeFunction, LONG, LONG), program, size.address()));
        MemorySegment text = arena.allocate(Math.max(1, size.get(ValueLayout.JAVA_LONG, 0)));
        check(call(library.function(function, LONG, LONG), program, text.address()));
        return text.toArray(ValueLayout.JAVA_BYTE);
    }

    private void check(int result) {
        if (result != 0) {
            throw new TensorException(library.library() + " failed with error " + result);
        }
    }
}
