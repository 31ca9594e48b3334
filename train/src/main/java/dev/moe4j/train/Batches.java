package dev.moe4j.train;

import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.train.config.DataConfig;
import dev.moe4j.train.config.TrainException;

/**
 * Makes batches of sequences.
 *
 * @param model whose context, padding and vocabulary they keep to
 * @param config whether, and what, the model is told about documents
 */
record Batches(Trainer.SequenceSource source, ModelConfig model, DataConfig config) {

    /**
     * The sequences from that one on.
     *
     * @throws TrainException if there is an id in them that the model does not have
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
                boolean fill = target == TrainingSequences.NONE;
                // What fills a sequence up is never looked at, but has to be an id.
                tokens[at] = sequence[j] == TrainingSequences.NONE ? 0 : sequence[j];
                targets[at] = fill || target == model.padding() ? TokenBatch.NONE : target;
                if (packs) {
                    document += document < starts.length && starts[document] == j ? 1 : 0;
                    documents[at] = fill ? TokenBatch.NONE : document;
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
                        "the data has the id %d in sequence %d, outside the vocabulary of %d: it is damaged;"
                                        .formatted(id, number, model.vocabulary())
                                + " find the file by `prepare verify` and copy it again or prepare the data again");
            }
        }
    }
}
