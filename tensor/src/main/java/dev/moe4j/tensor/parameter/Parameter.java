package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A named tensor of a {@link ParameterGroup} that training changes. Several names may share one parameter, stacked along its
 * first dimension: the query, key and value projections of a layer, or its experts. Checkpoints know the parts.
 */
public final class Parameter {

    /**
     * What a parameter is before its unit gives it memory.
     *
     * @param name of the whole, unique in the model
     * @param shape of the whole; for stacked experts {@code [experts, ...]}
     * @param parts the global names that checkpoints use, in order along the first dimension
     * @param stacked whether each part is one entry of the first dimension, which it then lacks, rather than a slice
     * @param initialization fills one part's master value from the key of that part's name
     * @param decayed whether weight decay applies when it is limited to matrices
     */
    public record Spec(
            String name,
            List<Long> shape,
            List<String> parts,
            boolean stacked,
            Initialization initialization,
            boolean decayed) {

        public Spec {
            shape = List.copyOf(shape);
            parts = List.copyOf(parts);
            if (parts.isEmpty() || shape.isEmpty() || shape.getFirst() % parts.size() != 0) {
                throw new TensorException(
                        "parameter " + name + " of shape " + shape + " cannot have " + parts.size() + " equal parts");
            }
        }

        /** Elements over all parts. */
        public long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }

        /** The shape of the whole. */
        long[] dimensions() {
            return shape.stream().mapToLong(Long::longValue).toArray();
        }

        /** The shape of one part. */
        public long[] partShape() {
            long rows = shape.getFirst() / parts.size();
            long[] dims = dimensions();
            if (stacked) {
                return Arrays.copyOfRange(dims, 1, dims.length);
            }
            dims[0] = rows;
            return dims;
        }
    }

    /** Fills a part of a parameter with its first values. */
    @FunctionalInterface
    public interface Initialization {
        void fill(Tensor part, RandomKey key);
    }

    private final Spec spec;
    private final ParameterGroup unit;
    private final long offset;
    private final @Nullable Tensor master;
    private final Tensor leaf;
    private final Tensor gradient;
    private boolean written;

    Parameter(Spec spec, ParameterGroup unit, long offset, @Nullable Tensor master, Tensor leaf, Tensor gradient) {
        this.spec = spec;
        this.unit = unit;
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

    /** The first element's place in the unit's flat buffers. */
    public long offset() {
        return offset;
    }

    /** The working copy in the compute type: what sections use. Empty where it is shared out and not gathered. */
    public Tensor tensor() {
        return leaf;
    }

    /**
     * The values that the optimizer changes, in the master type.
     *
     * @throws TensorException if they are shared out among processes; see {@link ParameterGroup#write}
     */
    public Tensor master() {
        if (master == null) {
            throw new TensorException(name() + ": its values are shared out among processes");
        }
        return master;
    }

    /**
     * The gradient, in the accumulation type; valid after {@link Parameters#finishGradients}, unless gradients are
     * shared out among processes.
     */
    public Tensor gradient() {
        unit.openGradient();
        return gradient;
    }

    /** The gradient's handle, which its unit points to memory where it has some. */
    Tensor gradientHandle() {
        return gradient;
    }

    /** The type of {@link #gradient}. */
    public DType gradientType() {
        return gradient.dtype();
    }

    /** A part's slice of a view of the whole, in the part's own shape. */
    public Tensor part(Tensor whole, int index) {
        long rows = spec.shape().getFirst() / spec.parts().size();
        return whole.narrow(0, index * rows, rows).view(spec.partShape());
    }

    /** Writes the first gradient of a step and adds later ones. */
    public void addGradient(Tensor contribution) {
        unit.openGradient();
        add(gradient, contribution);
        written = true;
    }

    /** As {@link #addGradient(Tensor)} of {@code factor} times the contribution, multiplied in the accumulation type. */
    public void addGradient(Tensor contribution, double factor) {
        unit.openGradient();
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

    /** As {@link #addGradient} of {@code a · b}. */
    public void addGradientProduct(Tensor a, Tensor b) {
        unit.openGradient();
        addProduct(gradient, a, b);
        written = true;
    }

    /**
     * Lets a section write or add the gradient of one entry of the first dimension, such as one expert's; null for
     * none. After the last entry the section calls {@link #entriesWritten}. Several threads may write different entries.
     */
    public void addGradientEntry(long entry, @Nullable Tensor contribution) {
        unit.openGradient();
        Tensor target = gradient.select(0, entry);
        if (contribution != null) {
            add(target, contribution);
        } else if (!written) {
            target.zero();
        }
    }

    /**
     * As {@link #addGradientEntry}, of some rows of the entries stacked: {@code a · b}, as many rows as it has from number
     * {@code row} on.
     */
    public void addGradientRows(long row, Tensor a, Tensor b) {
        unit.openGradient();
        addProduct(gradient.view(-1, gradient.size(-1)).narrow(0, row, a.size(0)), a, b);
    }

    /** As {@link #addGradientEntry}, of some elements of the whole, from number {@code first} on. */
    public void addGradientElements(long first, Tensor contribution) {
        unit.openGradient();
        add(gradient.view(-1).narrow(0, first, contribution.elements()), contribution);
    }

    private void add(Tensor target, Tensor contribution) {
        if (written) {
            target.addInPlace(contribution.to(target.dtype()));
        } else {
            target.copy(contribution);
        }
    }

    /** A product in the accumulation type goes to its place at once: less memory is written and read again. */
    private void addProduct(Tensor target, Tensor a, Tensor b) {
        if (a.dtype() != target.dtype()) {
            add(target, a.matmul(b));
        } else if (written) {
            target.addProductInPlace(a, b);
        } else {
            target.setToProduct(a, b);
        }
    }

    public void entriesWritten() {
        written = true;
    }

    boolean written() {
        return written;
    }

    void startStep() {
        written = false;
    }

    public ParameterGroup unit() {
        return unit;
    }
}
