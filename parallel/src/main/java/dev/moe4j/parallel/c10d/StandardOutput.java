package dev.moe4j.parallel.c10d;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.function.Supplier;

/** Keeps native code off stdout, which belongs to results: Gloo greets every new group there. */
final class StandardOutput {

    private static final int OUT = 1;
    private static final int ERR = 2;

    /** Calls under way, and stdout as it was before the first of them. */
    private static int calls;

    private static int kept;

    private StandardOutput() {}

    /** Runs {@code call}; what it, or another thread meanwhile, writes to stdout goes to stderr. */
    static <T> T toErr(Supplier<T> call) {
        if (System.getProperty("os.name", "").startsWith("Windows")) {
            return call.get();
        }
        redirect();
        try {
            return call.get();
        } finally {
            restore();
        }
    }

    private static synchronized void redirect() {
        if (calls++ == 0) {
            System.out.flush();
            kept = invoke("dup", OUT);
            invoke("dup2", ERR, OUT);
        }
    }

    private static synchronized void restore() {
        if (--calls == 0) {
            invoke("dup2", kept, OUT);
            invoke("close", kept);
        }
    }

    private static int invoke(String name, int... arguments) {
        Linker linker = Linker.nativeLinker();
        ValueLayout.OfInt number = ValueLayout.JAVA_INT;
        try {
            if (arguments.length == 1) {
                MethodHandle function = linker.downcallHandle(
                        linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(number, number));
                return (int) function.invokeExact(arguments[0]);
            }
            MethodHandle function = linker.downcallHandle(
                    linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(number, number, number));
            return (int) function.invokeExact(arguments[0], arguments[1]);
        } catch (Throwable e) {
            throw new IllegalStateException("cannot call " + name, e);
        }
    }
}
