package dev.moe4j.train.config;

import dev.moe4j.data.sample.TrainingData;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How training sequences are built from documents. Configuration keys are these names in snake case under {@code data}.
 *
 * @param sequences {@code blocks} of one length that cross document boundaries, as published, or {@code documents}:
 *     complete documents packed into each sequence
 * @param documentMask whether attention is confined to a document
 * @param resetPositions whether positions restart in each document
 * @param weights sampling weights of the data's sources by name; only their ratios matter. Empty: an epoch contains
 *     each sequence of each source once
 */
public record DataConfig(
        TrainingData.SequenceMode sequences,
        boolean documentMask,
        boolean resetPositions,
        Map<String, Double> weights) {

    /** The published way: blocks that cross document boundaries, without an attention mask. */
    public static final DataConfig DEFAULT = new DataConfig(TrainingData.SequenceMode.BLOCKS, false, false, Map.of());

    public DataConfig {
        weights = Collections.unmodifiableMap(new LinkedHashMap<>(weights));
        weights.forEach((name, weight) -> {
            if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new TrainException("data.weights." + name + ": " + weight
                        + " is not a weight; give a number above 0, or leave the source out of the data");
            }
        });
    }

    /** Whether batches carry document boundaries. */
    public boolean packs() {
        return documentMask || resetPositions || sequences == TrainingData.SequenceMode.DOCUMENTS;
    }
}
