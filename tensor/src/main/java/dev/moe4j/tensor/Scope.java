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
 * Owns tensors and frees them when it closes. Every tensor belongs to one scope. Nothing relies on the garbage collector,
 * which does not know how much native memory a tensor holds.
 *
 * <p>{@link #open()} opens a lexical scope on the current thread. Tensors that this thread creates belong to its innermost
 * open scope. {@link #detached()} creates a scope outside the thread's stack, for tensors that outlive a block: parameters,
 * optimizer states, saved activations. {@link #keep} moves a tensor into another scope.
 *
 * <p>To find a leak, read {@link #liveTensors()}. With {@code -Dmoe4j.debug.tensors=true}, {@link #liveReport()} also lists
 * where the live tensors were created.
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
            // libtorch records an autograd graph by default. Here only a tape's sections record one.
            GradMode.set_enabled(false);
        }
        Scope scope = new Scope(outer, true);
        INNERMOST.set(scope);
        return scope;
    }

    /** A scope outside any thread's stack. Only {@link #keep} adds tensors to it. */
    public static Scope detached() {
        return new Scope(null, false);
    }

    /**
     * Creates an object whose tensors a detached scope owns. If the creation fails, its tensors are freed.
     *
     * @param make creates the object, which must close the given scope when it is closed itself
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

    /**
     * Moves the tensor into this scope and returns it.
     *
     * @throws TensorException if this scope is closed
     */
    public Tensor keep(Tensor tensor) {
        if (closed) {
            throw new TensorException("cannot keep " + tensor.describe() + " in a scope that is closed");
        }
        tensor.owner(this);
        tensors.add(tensor);
        return tensor;
    }

    /**
     * Moves the tensor into the enclosing scope, so that it outlives this scope, and returns it.
     *
     * @throws TensorException if this is an outermost or detached scope
     */
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

    /** The number of live tensors in this process, over all threads. */
    public static long liveTensors() {
        return LIVE.get();
    }

    /** Where the live tensors were created, most frequent first; empty unless {@code moe4j.debug.tensors} is set. */
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

    /** A tensor in the innermost scope for a native tensor that a container still holds: makes a second handle. */
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
