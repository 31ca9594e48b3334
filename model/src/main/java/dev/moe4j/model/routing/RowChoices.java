package dev.moe4j.model.routing;

import dev.moe4j.tensor.Tensor;

/**
 * The choices for which dropout inside experts is drawn.
 *
 * @param of_R each row's choice, int64; arbitrary for empty rows
 * @param count the number of choices of all sequences that dropout covers
 */
public record RowChoices(Tensor of_R, long count) {

    /** The choices of some of the rows. */
    public RowChoices rows(Tensor rows_H) {
        return new RowChoices(of_R.indexSelect(0, rows_H), count);
    }
}
