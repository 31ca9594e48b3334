package dev.moe4j.train.config;

import dev.moe4j.data.sample.TrainingData;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How training sequences are made of documents. Configuration keys are these names in snake case under {@code data}.
 *
 * @param sequences what they are cut from: {@code blocks} of one length across documents, as published, or whole {@code
 *     documents}, as many as fit
 * @param documentMask whether attention is kept within a document
 * @param resetPositions whether positions count anew in each document
 * @param weights the shares of the data's sources in the sequences, by their names, of which only the ratios matter;
 *     where there are none, an epoch has each sequence of each source once
 */
public record DataConfig(
        TrainingData.Cut sequences, boolean documentMask, boolean resetPositions, Map<String, Double> weights) {

    /** The published way: blocks across documents, which attention does not see. */
    public static final DataConfig DEFAULT = new DataConfig(TrainingData.Cut.BLOCKS, false, false, Map.of());

    public DataConfig {
        weights = Collections.unmodifiableMap(new LinkedHashMap<>(weights));
        weights.forEach((name, weight) -> {
            if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new TrainException("data.weights." + name + ": " + weight
                        + " is no share; give a number above 0, or leave the source out of the data");
            }
        });
    }

    /** Whether the model has to know where documents begin and end. */
    public boolean packs() {
        return documentMask || resetPositions || sequences == TrainingData.Cut.DOCUMENTS;
    }
}
