package dev.moe4j.train;

import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.train.config.DataConfig;
import dev.moe4j.train.config.TrainException;

/**
 * Builds token batches from training sequences: inputs, targets and, if the configuration asks for it, document
 * boundaries.
 *
 * @param model gives the context length, the padding token and the vocabulary size
 * @param config how the model treats document boundaries
 */
record BatchBuilder(Trainer.SequenceSource source, ModelConfig model, DataConfig config) {

    /**
     * Builds a batch of {@code count} consecutive sequences.
     *
     * @param firstSequence the global number of the first one
     * @throws TrainException if a token id is outside the vocabulary
     */
    TokenBatch batch(long firstSequence, int count) {
        int length = model.context();
        boolean packs = config.packs();
        long[] tokens = new long[count * length];
        long[] targets = new long[tokens.length];
        long[] documents = new long[packs ? tokens.length : 0];
        int[] sequence = new int[length + 1];
        for (int i = 0; i < count; i++) {
            source.sequence(firstSequence + i, sequence);
            check(firstSequence + i, sequence);
            int[] starts = packs ? source.documentStarts(firstSequence + i) : new int[0];
            int document = 0;
            for (int j = 0; j < length; j++) {
                int at = i * length + j;
                int target = sequence[j + 1];
                boolean padding = target == TrainingSequences.NONE;
                // Padding is never read, but it must be a valid token id.
                tokens[at] = sequence[j] == TrainingSequences.NONE ? 0 : sequence[j];
                targets[at] = padding || target == model.padding() ? TokenBatch.NONE : target;
                if (packs) {
                    document += document < starts.length && starts[document] == j ? 1 : 0;
                    documents[at] = padding ? TokenBatch.NONE : document;
                }
            }
        }
        Packing packing = packs ? new Packing(documents, config.documentMask(), config.resetPositions()) : null;
        return new TokenBatch(tokens, targets, count, packing);
    }

    private void check(long number, int[] sequence) {
        for (int id : sequence) {
            if (id >= model.vocabulary() || (id < 0 && id != TrainingSequences.NONE)) {
                throw new TrainException(
                        "sequence %d of the data has the token id %d, outside the vocabulary of %d: the data is damaged;"
                                        .formatted(number, id, model.vocabulary())
                                + " find the file with `prepare verify`, then copy it again or prepare the data again");
            }
        }
    }
}
