package dev.moe4j.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;

/** Drops files from the system's page cache. */
final class PageCache {
    private static final int READ_ONLY = 0;
    private static final int DONT_NEED = 4;

    private PageCache() {}

    /**
     * Drops one file from the page cache by {@code posix_fadvise}.
     *
     * @return false if the system does not support it
     */
    static boolean drop(Path file) {
        if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).equals("linux")) {
            return false;
        }
        Linker linker = Linker.nativeLinker();
        SymbolLookup library = linker.defaultLookup();
        FunctionDescriptor openType =
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
        FunctionDescriptor adviseType = FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT);
        FunctionDescriptor closeType = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        try (Arena arena = Arena.ofConfined()) {
            MethodHandle open =
                    linker.downcallHandle(library.findOrThrow("open"), openType, Linker.Option.firstVariadicArg(2));
            MethodHandle advise = linker.downcallHandle(library.findOrThrow("posix_fadvise"), adviseType);
            MethodHandle close = linker.downcallHandle(library.findOrThrow("close"), closeType);
            MemorySegment name = arena.allocateFrom(file.toString());
            int descriptor = (int) open.invokeExact(name, READ_ONLY);
            if (descriptor < 0) {
                return false;
            }
            int failure = (int) advise.invokeExact(descriptor, 0L, 0L, DONT_NEED);
            int closed = (int) close.invokeExact(descriptor);
            return failure == 0 && closed == 0;
        } catch (Throwable e) { // declared by invokeExact; the native functions do not throw
            throw new BenchException("cannot call posix_fadvise: " + e.getMessage(), e);
        }
    }
}
