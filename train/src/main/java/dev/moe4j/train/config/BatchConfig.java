package dev.moe4j.train.config;

/**
 * What one update sees. Configuration keys are these names in snake case under {@code batch}.
 *
 * @param sequences in the whole batch
 * @param accumulation micro-batches that the batch is split into; they use less memory and give the same update
 */
public record BatchConfig(int sequences, int accumulation) {

    public BatchConfig {
        if (sequences < 1 || accumulation < 1 || sequences % accumulation != 0) {
            throw new TrainException("batch: " + sequences + " sequences cannot be split into " + accumulation
                    + " micro-batches; accumulation must divide sequences");
        }
    }

    /** Sequences that go through the model at a time. */
    public int microBatch() {
        return sequences / accumulation;
    }
}
