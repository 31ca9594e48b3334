package dev.moe4j.tensor.cuda;

import dev.moe4j.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/** Calls functions of a shared library of the machine through the JDK's foreign function interface. */
public final class NativeCalls {

    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private final String library;
    private final SymbolLookup symbols;

    private NativeCalls(String library, SymbolLookup symbols) {
        this.library = library;
        this.symbols = symbols;
    }

    /** Loads the first of the given libraries that can be loaded; empty if none can. */
    public static Optional<NativeCalls> first(String... names) {
        for (String name : names) {
            try {
                return Optional.of(new NativeCalls(name, SymbolLookup.libraryLookup(name, Arena.global())));
            } catch (IllegalArgumentException e) {
                // Not installed: try the next name.
            }
        }
        return Optional.empty();
    }

    String library() {
        return library;
    }

    /**
     * The address of a function.
     *
     * @throws TensorException if the library does not export it
     */
    public long address(String function) {
        return symbols.find(function)
                .orElseThrow(() -> new TensorException(library + " has no " + function))
                .address();
    }

    /** A function that returns int. */
    MethodHandle function(String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        symbols.find(name).orElseThrow(() -> new TensorException(library + " has no " + name)),
                        FunctionDescriptor.of(INT, arguments));
    }

    /** A function that returns void. */
    public MethodHandle procedure(String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        symbols.find(name).orElseThrow(() -> new TensorException(library + " has no " + name)),
                        FunctionDescriptor.ofVoid(arguments));
    }

    /** Calls a function that returns int. */
    static int call(MethodHandle function, Object... arguments) {
        try {
            return (int) function.invokeWithArguments(arguments);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new TensorException("a native function failed", e);
        }
    }
}
