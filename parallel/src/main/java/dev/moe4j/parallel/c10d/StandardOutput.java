package dev.moe4j.parallel.c10d;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.function.Supplier;

/** Redirects stdout to stderr while native code runs. Gloo prints a line for every new group, and stdout is for results. */
final class StandardOutput {

    private static final int OUT = 1;
    private static final int ERR = 2;

    private static int activeCalls;

    /** A duplicate of the original stdout while calls are active. */
    private static int savedOut;

    private StandardOutput() {}

    /** Runs {@code call}. Meanwhile everything that any thread writes to stdout goes to stderr. */
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
        if (activeCalls++ == 0) {
            System.out.flush();
            savedOut = invoke("dup", OUT);
            invoke("dup2", ERR, OUT);
        }
    }

    private static synchronized void restore() {
        if (--activeCalls == 0) {
            invoke("dup2", savedOut, OUT);
            invoke("close", savedOut);
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
