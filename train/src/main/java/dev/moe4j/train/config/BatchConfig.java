package dev.moe4j.train.config;

/**
 * The batch of one update. Configuration keys are these names in snake case under {@code batch}.
 *
 * @param sequences sequences in the whole batch, over all processes
 * @param accumulation number of micro-batches that the batch is split into (gradient accumulation); more micro-batches
 *     use less memory and give the same update
 */
public record BatchConfig(int sequences, int accumulation) {

    public BatchConfig {
        if (sequences < 1 || accumulation < 1 || sequences % accumulation != 0) {
            throw new TrainException("batch: " + sequences + " sequences cannot be split into " + accumulation
                    + " micro-batches; accumulation must divide sequences");
        }
    }

    /** Sequences in a micro-batch, over all processes. */
    public int microBatch() {
        return sequences / accumulation;
    }
}
