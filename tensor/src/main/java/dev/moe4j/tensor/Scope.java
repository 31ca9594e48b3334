package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.GradMode;
import org.jspecify.annotations.Nullable;

/**
 * Owns native memory. Every tensor belongs to one scope and is freed when it closes; nothing relies on the garbage
 * collector, which cannot see how large a tensor is.
 *
 * <p>{@link #open()} gives a lexical scope of the current thread: tensors made by this thread belong to the innermost
 * one that is open. {@link #detached()} gives an owner without a place on the thread's stack, for what outlives a
 * block: parameters, optimizer state, what a tape saves. {@link #keep} moves a tensor from its scope into this one.
 *
 * <p>{@link #liveTensors()} counts; run with {@code -Dmoe4j.debug.tensors=true} and {@link #liveReport()} also tells
 * where the living ones were made.
 */
public final class Scope implements AutoCloseable {

    private static final ThreadLocal<@Nullable Scope> INNERMOST = new ThreadLocal<>();
    private static final AtomicLong LIVE = new AtomicLong();
    private static final @Nullable Map<TensorBase, Throwable> ORIGINS =
            Boolean.getBoolean("moe4j.debug.tensors") ? new IdentityHashMap<>() : null;

    private final @Nullable Scope outer;
    private final boolean lexical;
    private final List<Tensor> tensors = new ArrayList<>();
    private boolean closed;

    private Scope(@Nullable Scope outer, boolean lexical) {
        this.outer = outer;
        this.lexical = lexical;
    }

    /** Opens a scope on this thread; close it with try-with-resources. */
    public static Scope open() {
        Libtorch.load();
        Scope outer = INNERMOST.get();
        if (outer == null) {
            // Only a tape's sections record a graph; libtorch's default is to record everywhere.
            GradMode.set_enabled(false);
        }
        Scope scope = new Scope(outer, true);
        INNERMOST.set(scope);
        return scope;
    }

    /** An owner that is not on any thread's stack: tensors come to it by {@link #keep} only. */
    public static Scope detached() {
        return new Scope(null, false);
    }

    /**
     * Makes an object whose tensors a detached scope owns. If that fails, the tensors made so far are freed.
     *
     * @param make is given the scope, which the object closes when it is closed
     */
    public static <T> T owner(Function<Scope, T> make) {
        Scope scope = detached();
        try {
            return make.apply(scope);
        } catch (RuntimeException | Error e) {
            scope.close();
            throw e;
        }
    }

    /** Moves the tensor into this scope and returns it. */
    public Tensor keep(Tensor tensor) {
        if (closed) {
            throw new TensorException("cannot keep " + tensor.describe() + " in a scope that is closed");
        }
        tensor.owner(this);
        tensors.add(tensor);
        return tensor;
    }

    /** Moves the tensor into the scope that encloses this one, so that it outlives this one; returns it. */
    public Tensor escape(Tensor tensor) {
        if (outer == null) {
            throw new TensorException("cannot move " + tensor.describe() + " outwards: no scope encloses this one");
        }
        return outer.keep(tensor);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (lexical && INNERMOST.get() != this) {
            throw new TensorException("scopes must be closed in the reverse order of opening, on their own thread");
        }
        closed = true;
        for (Tensor tensor : tensors) {
            if (tensor.ownedBy(this)) {
                tensor.close();
            }
        }
        tensors.clear();
        if (lexical) {
            if (outer == null) {
                INNERMOST.remove();
            } else {
                INNERMOST.set(outer);
            }
        }
    }

    /** Tensors alive in this process, over all threads. */
    public static long liveTensors() {
        return LIVE.get();
    }

    /** Where the living tensors were made, most frequent first; empty unless {@code moe4j.debug.tensors} is set. */
    public static List<String> liveReport() {
        if (ORIGINS == null) {
            return List.of();
        }
        Map<String, Integer> counts = new HashMap<>();
        synchronized (ORIGINS) {
            for (Throwable origin : ORIGINS.values()) {
                String place = Arrays.stream(origin.getStackTrace())
                        .skip(3)
                        .limit(4)
                        .map(StackTraceElement::toString)
                        .collect(Collectors.joining(" < "));
                counts.merge(place, 1, Integer::sum);
            }
        }
        return counts.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue().reversed())
                .map(entry -> entry.getValue() + " x " + entry.getKey())
                .toList();
    }

    static Tensor adopt(org.bytedeco.pytorch.Tensor handle) {
        Scope scope = INNERMOST.get();
        if (scope == null) {
            handle.deallocate();
            throw new TensorException("no scope is open on this thread: wrap the work in try (Scope s = Scope.open())");
        }
        Tensor tensor = new Tensor(handle);
        LIVE.incrementAndGet();
        if (ORIGINS != null) {
            synchronized (ORIGINS) {
                ORIGINS.put(tensor, new Throwable());
            }
        }
        return scope.keep(tensor);
    }

    /** Adopts a second handle of a tensor that some native container holds. */
    public static Tensor adoptCopy(org.bytedeco.pytorch.Tensor held) {
        return adopt(new org.bytedeco.pytorch.Tensor(held));
    }

    static void released(TensorBase tensor) {
        LIVE.decrementAndGet();
        if (ORIGINS != null) {
            synchronized (ORIGINS) {
                ORIGINS.remove(tensor);
            }
        }
    }
}
