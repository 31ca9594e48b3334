package dev.moe4j.train;

import dev.moe4j.data.TrainingSequences;
import dev.moe4j.model.Packing;
import dev.moe4j.model.TokenBatch;

/**
 * Makes batches of sequences.
 *
 * @param length of the sequences
 * @param padding the id that is not predicted; −1 where there is none
 * @param config whether, and what, the model is told about documents
 */
record Batches(Trainer.SequenceSource source, int length, int padding, DataConfig config) {

    /** The sequences from that one on. */
    TokenBatch batch(long firstSequence, int count) {
        boolean packs = config.packs();
        long[] tokens = new long[count * length];
        long[] targets = new long[tokens.length];
        long[] documents = new long[packs ? tokens.length : 0];
        int[] sequence = new int[length + 1];
        for (int i = 0; i < count; i++) {
            source.sequence(firstSequence + i, sequence);
            int[] starts = packs ? source.documentStarts(firstSequence + i) : new int[0];
            int document = 0;
            for (int j = 0; j < length; j++) {
                int at = i * length + j;
                int target = sequence[j + 1];
                boolean fill = target == TrainingSequences.NONE;
                // What fills a sequence up is never looked at, but has to be an id.
                tokens[at] = sequence[j] == TrainingSequences.NONE ? 0 : sequence[j];
                targets[at] = fill || target == padding ? TokenBatch.NONE : target;
                if (packs) {
                    document += document < starts.length && starts[document] == j ? 1 : 0;
                    documents[at] = fill ? TokenBatch.NONE : document;
                }
            }
        }
        Packing packing = packs ? new Packing(documents, config.documentMask(), config.resetPositions()) : null;
        return new TokenBatch(tokens, targets, count, packing);
    }
}
