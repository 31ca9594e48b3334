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

/** Functions of a shared library that the machine has, called through the JDK. */
public final class NativeCalls {

    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private final String library;
    private final SymbolLookup symbols;

    private NativeCalls(String library, SymbolLookup symbols) {
        this.library = library;
        this.symbols = symbols;
    }

    /** The first of these libraries that can be loaded. */
    public static Optional<NativeCalls> first(String... names) {
        for (String name : names) {
            try {
                return Optional.of(new NativeCalls(name, SymbolLookup.libraryLookup(name, Arena.global())));
            } catch (IllegalArgumentException e) {
                // Not there: the next.
            }
        }
        return Optional.empty();
    }

    String library() {
        return library;
    }

    public long address(String function) {
        return symbols.find(function)
                .orElseThrow(() -> new TensorException(library + " has no " + function))
                .address();
    }

    /** A function that gives an int. */
    MethodHandle function(String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        symbols.find(name).orElseThrow(() -> new TensorException(library + " has no " + name)),
                        FunctionDescriptor.of(INT, arguments));
    }

    /** A function that gives nothing. */
    public MethodHandle procedure(String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        symbols.find(name).orElseThrow(() -> new TensorException(library + " has no " + name)),
                        FunctionDescriptor.ofVoid(arguments));
    }

    /** Calls a function that gives an int. */
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
