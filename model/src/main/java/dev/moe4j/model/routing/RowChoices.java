package dev.moe4j.model.routing;

import dev.moe4j.tensor.Tensor;

/**
 * What dropout is drawn for.
 *
 * @param of_R the choice in each row, int64; any where a row is empty
 * @param count choices of all sequences that dropout knows
 */
public record RowChoices(Tensor of_R, long count) {

    /** Those of some of the rows. */
    public RowChoices rows(Tensor rows_H) {
        return new RowChoices(of_R.indexSelect(0, rows_H), count);
    }
}
