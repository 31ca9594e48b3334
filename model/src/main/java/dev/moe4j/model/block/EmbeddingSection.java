package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Token and position embedding with dropout: x = factor · embedding[token] + position. Inputs: token ids and position
 * rows, [sequences, length] int64 each. Output: [tokens, model].
 */
public final class EmbeddingSection implements Section.CustomBackward {

    private final Parameter embedding;
    private final @Nullable Tensor positions;
    private final @Nullable Parameter learned;
    private final double factor;
    private final int padding;
    private final Dropout dropout;

    /**
     * @param positions the fixed position table {@code [rows, model]}; null if no position is added
     * @param factor the factor of token embeddings
     * @param padding the token whose embedding gets no gradient; −1 for none
     */
    public EmbeddingSection(
            Parameter embedding, @Nullable Tensor positions, double factor, int padding, Dropout dropout) {
        this(embedding, positions, null, factor, padding, dropout);
    }

    /**
     * @param positions the learned position table {@code [rows, model]}, whose padding row gets no gradient
     * @param factor the factor of token embeddings
     * @param padding the token whose embedding gets no gradient; −1 for none
     */
    public EmbeddingSection(Parameter embedding, Parameter positions, double factor, int padding, Dropout dropout) {
        this(embedding, positions.tensor(), positions, factor, padding, dropout);
    }

    private EmbeddingSection(
            Parameter embedding,
            @Nullable Tensor positions,
            @Nullable Parameter learned,
            double factor,
            int padding,
            Dropout dropout) {
        this.embedding = embedding;
        this.positions = positions;
        this.learned = learned;
        this.factor = factor;
        this.padding = padding;
        this.dropout = dropout;
    }

    @Override
    public String name() {
        return "embedding";
    }

    @Override
    public List<Parameter> parameters() {
        return learned == null ? List.of(embedding) : List.of(embedding, learned);
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor ids_BS = inputs[0];
        Tensor rows_BS = inputs[1];
        Tensor table = embedding.tensor();
        Tensor tokens_BSD = Functions.embedding(table, ids_BS).mul(factor);
        Tensor x_BSD = positions == null ? tokens_BSD : tokens_BSD.add(Functions.embedding(positions, rows_BS));
        Tensor mask = dropout.mask(x_BSD);
        saved.save(mask);
        Dropout.multiply(x_BSD, mask);
        return new Tensor[] {x_BSD.view(-1, x_BSD.size(-1))};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient = gradients[0];
        if (gradient != null) {
            Tensor ids_BS = saved.input(0);
            Tensor mask = saved.find(0);
            Tensor g_BSD = gradient.view(ids_BS.size(0), ids_BS.size(1), -1);
            // A frequent token's gradient is a long sum, in which bfloat16 would lose the later terms.
            Tensor wide_BSD = g_BSD.to(embedding.gradientType());
            Tensor dropped_BSD = mask == null ? wide_BSD : wide_BSD.mul(mask);
            if (learned != null) {
                addGradient(learned, dropped_BSD, saved.input(1), SinusoidalPositions.PADDING_ROW);
            }
            addGradient(embedding, dropped_BSD.mul(factor), ids_BS, padding);
        }
        return new @Nullable Tensor[] {null, null};
    }

    /** Adds the gradient of a table that rows were looked up in, except for one row. */
    private static void addGradient(Parameter table, Tensor g_BSD, Tensor rows_BS, int excludedRow) {
        Tensor g_RD = Functions.embeddingBackward(g_BSD, rows_BS, table.tensor().size(0));
        if (excludedRow >= 0) {
            g_RD.select(0, excludedRow).zero();
        }
        table.addGradient(g_RD);
    }
}
