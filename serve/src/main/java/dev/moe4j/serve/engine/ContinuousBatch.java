package dev.moe4j.serve.engine;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The sequences that are decoded together (continuous batching). Each step prefills new sequences and then decodes one
 * token of every sequence in a single pass, which reads the model's weights only once. A sequence may join or leave between
 * any two steps. Each sequence has a place (slot) in the decoder's KV cache and does not affect the other sequences.
 */
final class ContinuousBatch implements AutoCloseable {
    private final Decoder decoder;
    private final @Nullable DecodingSequence[] places;

    /**
     * Creates an empty batch.
     *
     * @param places the maximum number of sequences
     * @param capacity the KV cache's capacity for each sequence, in tokens
     */
    ContinuousBatch(LanguageModel model, int places, int capacity) {
        this.decoder = Decoder.of(model, places, capacity);
        this.places = new DecodingSequence[places];
    }

    /** Returns the number of sequences. */
    int size() {
        return occupied().length;
    }

    boolean isFull() {
        return size() == places.length;
    }

    /** Adds a sequence at the first free place, so that the used places stay contiguous. */
    void add(DecodingSequence sequence) {
        int place = 0;
        while (places[place] != null) {
            place++;
        }
        places[place] = sequence;
    }

    /** Generates one token of each sequence. A sequence that fails leaves the batch, and the others stay. */
    Step step() {
        for (int place : occupied()) {
            DecodingSequence sequence = sequence(place);
            if (sequence.cancelled()) {
                places[place] = null;
                sequence.reportCancelled();
            }
        }
        int prefilled = Arrays.stream(occupied()).map(this::prefill).sum();
        int[] active = occupied();
        if (active.length == 0) {
            return new Step(prefilled, 0);
        }
        decodePass(active);
        double[] logits;
        try (Scope _ = Scope.open()) {
            logits = decoder.nextOf(active).toDoubles();
        }
        int rows = logits.length / active.length;
        int generated = 0;
        for (int i = 0; i < active.length; i++) {
            generated += draw(active[i], Arrays.copyOfRange(logits, i * rows, (i + 1) * rows));
        }
        return new Step(prefilled, generated);
    }

    /**
     * Token counts of a step.
     *
     * @param prefilled the tokens of prompts, and of windows that moved
     * @param generated the tokens drawn
     */
    record Step(int prefilled, int generated) {}

    /**
     * Prefills a sequence if its window is not in the KV cache. Returns the number of tokens read. A failure ends only this
     * sequence.
     */
    private int prefill(int place) {
        DecodingSequence sequence = sequence(place);
        if (!sequence.needsPrefill()) {
            return 0;
        }
        try {
            return prefill(place, sequence);
        } catch (RuntimeException | Error e) {
            places[place] = null;
            sequence.fail(e);
            return 0;
        }
    }

    private int prefill(int place, DecodingSequence sequence) {
        decoder.clear(place);
        boolean scoring = sequence.scoresPrompt();
        int[] tokens = sequence.takeUnread();
        if (scoring) {
            try (Scope _ = Scope.open()) {
                Tensor logits_TV = decoder.extendFrom(place, tokens);
                // One row at a time, because the logits of a long prompt may not fit into Java's heap.
                sequence.reportPrompt(i -> logits_TV.narrow(0, i, 1).toDoubles());
            }
        } else {
            decoder.appendFrom(place, tokens);
        }
        return tokens.length;
    }

    /** Decode: reads the last token of every sequence that was not prefilled, in one pass. */
    private void decodePass(int... active) {
        int[][] tokens = new int[active[active.length - 1] + 1][0];
        for (int place : active) {
            tokens[place] = sequence(place).takeUnread();
        }
        if (Arrays.stream(tokens).anyMatch(own -> own.length > 0)) {
            decoder.appendFrom(0, tokens);
        }
    }

    /** Draws a sequence's next token. Returns the number of generated tokens, 0 or 1. */
    private int draw(int place, double... logits) {
        DecodingSequence sequence = sequence(place);
        int before = sequence.generated();
        try {
            if (!sequence.draw(logits)) {
                places[place] = null;
            }
        } catch (RuntimeException | Error e) {
            places[place] = null;
            sequence.fail(e);
        }
        return sequence.generated() - before;
    }

    /** Returns how often the router has chosen each expert, {@code [MoE layers][experts]}. */
    double[][] expertLoad() {
        return decoder.expertLoad();
    }

    /** Ends all sequences with a failure. */
    void fail(Throwable problem) {
        for (int place : occupied()) {
            DecodingSequence sequence = sequence(place);
            places[place] = null;
            sequence.fail(problem);
        }
    }

    private int[] occupied() {
        return IntStream.range(0, places.length)
                .filter(place -> places[place] != null)
                .toArray();
    }

    private DecodingSequence sequence(int place) {
        DecodingSequence sequence = places[place];
        if (sequence == null) {
            throw new IllegalStateException("place " + place + " is free");
        }
        return sequence;
    }

    @Override
    public void close() {
        decoder.close();
    }
}
