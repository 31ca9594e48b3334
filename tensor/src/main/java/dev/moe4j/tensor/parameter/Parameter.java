package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A trainable tensor: master weights for the optimizer, a working copy in the compute type, and a gradient. Its {@link
 * ParameterGroup} owns the memory. A parameter may consist of parts, stacked along the first dimension, such as the query,
 * key and value projections of a layer, or its experts. Checkpoints store each part under a separate name.
 */
public final class Parameter {

    /**
     * The description of a parameter, from which a group allocates it.
     *
     * @param name the parameter's name, unique in the model
     * @param shape the parameter's shape with all its parts, such as {@code [experts, ...]} for stacked experts
     * @param parts the parts in checkpoints, in order along the first dimension
     * @param stacked whether each part is one entry of the first dimension and lacks this dimension. If not, each part is a
     *     slice of the first dimension.
     * @param initialization fills a part's master weights, with a random key derived from the part's name
     * @param decayed whether weight decay applies if it is limited to matrices
     */
    public record Spec(
            String name,
            List<Long> shape,
            List<Part> parts,
            boolean stacked,
            Initialization initialization,
            boolean decayed) {

        public Spec {
            shape = List.copyOf(shape);
            parts = List.copyOf(parts);
            long rows = parts.stream().mapToLong(Part::rows).sum();
            if (parts.isEmpty() || shape.isEmpty() || shape.getFirst() != rows) {
                throw new TensorException("parameter " + name + " of shape " + shape + " cannot have " + parts.size()
                        + " parts with " + rows + " rows");
            }
        }

        /** A parameter of one part, which has the parameter's name. */
        public static Spec of(String name, List<Long> shape, Initialization initialization, boolean decayed) {
            return ofEqualParts(name, shape, List.of(name), false, initialization, decayed);
        }

        /**
         * A parameter of parts of equal size.
         *
         * @param parts the parts' names in checkpoints; their number must divide the first dimension
         */
        public static Spec ofEqualParts(
                String name,
                List<Long> shape,
                List<String> parts,
                boolean stacked,
                Initialization initialization,
                boolean decayed) {
            long rows = shape.getFirst() / Math.max(1, parts.size());
            return new Spec(
                    name,
                    shape,
                    parts.stream().map(part -> new Part(part, rows)).toList(),
                    stacked,
                    initialization,
                    decayed);
        }

        /** The names of the parts in checkpoints, in order. */
        public List<String> partNames() {
            return parts.stream().map(Part::name).toList();
        }

        /** Elements over all parts. */
        public long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }

        long[] dimensions() {
            return shape.stream().mapToLong(Long::longValue).toArray();
        }

        /** The shape of the part with the given index. */
        public long[] partShape(int index) {
            long[] dims = dimensions();
            if (stacked) {
                return Arrays.copyOfRange(dims, 1, dims.length);
            }
            dims[0] = parts.get(index).rows();
            return dims;
        }

        private long firstRow(int index) {
            return stacked
                    ? index
                    : parts.subList(0, index).stream().mapToLong(Part::rows).sum();
        }
    }

    /**
     * A part of a parameter.
     *
     * @param name the part's name in checkpoints
     * @param rows the part's length along the parameter's first dimension
     */
    public record Part(String name, long rows) {}

    /** Fills a part of a parameter with its initial values. */
    @FunctionalInterface
    public interface Initialization {
        void fill(Tensor part, RandomKey key);
    }

    private final Spec spec;
    private final ParameterGroup group;
    private final long offset;
    private final @Nullable Tensor master;
    private final Tensor leaf;
    private final Tensor gradient;
    private boolean written;

    Parameter(Spec spec, ParameterGroup group, long offset, @Nullable Tensor master, Tensor leaf, Tensor gradient) {
        this.spec = spec;
        this.group = group;
        this.offset = offset;
        this.master = master;
        this.leaf = leaf;
        this.gradient = gradient;
    }

    public Spec spec() {
        return spec;
    }

    public String name() {
        return spec.name();
    }

    /** The index of the first element in the group's flat buffers. */
    public long offset() {
        return offset;
    }

    /** The working copy in the compute type, which sections use. Empty if it is sharded and not gathered. */
    public Tensor tensor() {
        return leaf;
    }

    /**
     * The master weights, which the optimizer updates, in the master type.
     *
     * @throws TensorException if they are sharded over processes; see {@link ParameterGroup#write}
     */
    public Tensor master() {
        if (master == null) {
            throw new TensorException(name() + ": its master weights are sharded over processes");
        }
        return master;
    }

    /**
     * The gradient, in the accumulation type. Valid after {@link Parameters#finishGradients}, unless gradients are sharded
     * over processes.
     */
    public Tensor gradient() {
        group.openGradient();
        return gradient;
    }

    /** The gradient's handle. The group makes it refer to memory while it has memory for the gradient. */
    Tensor gradientHandle() {
        return gradient;
    }

    /** The type of {@link #gradient}. */
    public DType gradientType() {
        return gradient.dtype();
    }

    /** A part of a tensor that has this parameter's shape, as a view in the part's shape. */
    public Tensor part(Tensor whole, int index) {
        long rows = spec.parts().get(index).rows();
        return whole.narrow(0, spec.firstRow(index), rows).view(spec.partShape(index));
    }

    /** Accumulates a gradient: the first contribution of a step overwrites the gradient, later ones are added. */
    public void addGradient(Tensor contribution) {
        group.openGradient();
        add(gradient, contribution);
        written = true;
    }

    /** Accumulates {@code factor · contribution}, multiplied in the accumulation type. */
    public void addGradient(Tensor contribution, double factor) {
        group.openGradient();
        if (written) {
            gradient.addInPlace(contribution.to(gradient.dtype()), factor);
        } else {
            gradient.copy(contribution);
            if (factor != 1) {
                gradient.mulInPlace(factor);
            }
        }
        written = true;
    }

    /** Accumulates the matrix product {@code a · b}. */
    public void addGradientProduct(Tensor a, Tensor b) {
        group.openGradient();
        addProduct(gradient, a, b);
        written = true;
    }

    /**
     * Accumulates the gradient of one entry of the first dimension, such as one expert. Several threads may accumulate
     * different entries. After all entries of a backward pass the section calls {@link #entriesWritten}.
     *
     * @param contribution the gradient of the entry; null for a gradient of zero
     */
    public void addGradientEntry(long entry, @Nullable Tensor contribution) {
        group.openGradient();
        Tensor target = gradient.select(0, entry);
        if (contribution != null) {
            add(target, contribution);
        } else if (!written) {
            target.zero();
        }
    }

    /**
     * Accumulates the matrix product {@code a · b} in consecutive rows of the gradient, viewed as a matrix. Like {@link
     * #addGradientEntry}, this needs a call of {@link #entriesWritten} at the end.
     *
     * @param row the first row
     */
    public void addGradientRows(long row, Tensor a, Tensor b) {
        group.openGradient();
        addProduct(gradient.view(-1, gradient.size(-1)).narrow(0, row, a.size(0)), a, b);
    }

    /**
     * Accumulates consecutive elements of the gradient. Like {@link #addGradientEntry}, this needs a call of {@link
     * #entriesWritten} at the end.
     *
     * @param first the index of the first element
     */
    public void addGradientElements(long first, Tensor contribution) {
        group.openGradient();
        add(gradient.view(-1).narrow(0, first, contribution.elements()), contribution);
    }

    private void add(Tensor target, Tensor contribution) {
        if (written) {
            target.addInPlace(contribution.to(target.dtype()));
        } else {
            target.copy(contribution);
        }
    }

    /** Computes the product directly in the gradient if types match, which saves a temporary tensor. */
    private void addProduct(Tensor target, Tensor a, Tensor b) {
        if (a.dtype() != target.dtype()) {
            add(target, a.matmul(b));
        } else if (written) {
            target.addProductInPlace(a, b);
        } else {
            target.setToProduct(a, b);
        }
    }

    /** Ends the accumulation by entries, rows or elements: later contributions of this step are added. */
    public void entriesWritten() {
        written = true;
    }

    boolean written() {
        return written;
    }

    void startStep() {
        written = false;
    }

    /** The group that owns this parameter's memory. */
    public ParameterGroup unit() {
        return group;
    }
}
