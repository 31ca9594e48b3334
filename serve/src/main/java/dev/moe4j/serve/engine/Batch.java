package dev.moe4j.serve.engine;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Texts that grow together, a token of each at a time, so that the model's weights are read once for all of them. One may
 * join or end between any two tokens of the others, and none notices another.
 */
final class Batch implements AutoCloseable {
    private final Decoder decoder;
    private final @Nullable Continuation[] places;

    /**
     * An empty batch.
     *
     * @param places texts at a time, at most
     * @param room tokens that the longest text has room for
     */
    Batch(LanguageModel model, int places, int room) {
        this.decoder = Decoder.of(model, places, room);
        this.places = new Continuation[places];
    }

    /** Texts that grow. */
    int size() {
        return occupied().length;
    }

    boolean isFull() {
        return size() == places.length;
    }

    /** Lets a text join at the first free place, so that those in use are neighbours. */
    void add(Continuation text) {
        int place = 0;
        while (places[place] != null) {
            place++;
        }
        places[place] = text;
    }

    /** Makes a token of each text. A text that fails leaves the batch and the others stay. */
    Step step() {
        for (int place : occupied()) {
            Continuation text = text(place);
            if (text.cancelled()) {
                places[place] = null;
                text.leave();
            }
        }
        int read = Arrays.stream(occupied()).map(this::readWhole).sum();
        int[] active = occupied();
        if (active.length == 0) {
            return new Step(read, 0);
        }
        readLast(active);
        double[] logits;
        try (Scope _ = Scope.open()) {
            logits = decoder.nextOf(active).toDoubles();
        }
        int rows = logits.length / active.length;
        int made = 0;
        for (int i = 0; i < active.length; i++) {
            made += draw(active[i], Arrays.copyOfRange(logits, i * rows, (i + 1) * rows));
        }
        return new Step(read, made);
    }

    /**
     * What a step did.
     *
     * @param read tokens of prompts, and of windows that moved
     * @param made tokens of texts
     */
    record Step(int read, int made) {}

    /** Reads a text's whole window, if it has to be read anew; returns its tokens. A failure ends this text alone. */
    private int readWhole(int place) {
        Continuation text = text(place);
        if (!text.anew()) {
            return 0;
        }
        try {
            return readWhole(place, text);
        } catch (RuntimeException | Error e) {
            places[place] = null;
            text.fail(e);
            return 0;
        }
    }

    private int readWhole(int place, Continuation text) {
        decoder.clear(place);
        boolean scoring = text.scoring();
        int[] tokens = text.read();
        if (scoring) {
            try (Scope _ = Scope.open()) {
                Tensor logits_TV = decoder.extendFrom(place, tokens);
                // One row at a time: those of a long prompt may not fit into Java's heap.
                text.scored(i -> logits_TV.narrow(0, i, 1).toDoubles());
            }
        } else {
            decoder.appendFrom(place, tokens);
        }
        return tokens.length;
    }

    /** Reads the last token of every text that was not read whole, all of them in one pass. */
    private void readLast(int... active) {
        int[][] tokens = new int[active[active.length - 1] + 1][0];
        for (int place : active) {
            tokens[place] = text(place).read();
        }
        if (Arrays.stream(tokens).anyMatch(own -> own.length > 0)) {
            decoder.appendFrom(0, tokens);
        }
    }

    /** Lets a text draw its next token; returns how many it made, 0 or 1. */
    private int draw(int place, double... logits) {
        Continuation text = text(place);
        int before = text.made();
        try {
            if (!text.draw(logits)) {
                places[place] = null;
            }
        } catch (RuntimeException | Error e) {
            places[place] = null;
            text.fail(e);
        }
        return text.made() - before;
    }

    /** Choices that each expert got so far, {@code [mixtures][experts]}. */
    double[][] expertLoad() {
        return decoder.expertLoad();
    }

    /** Ends all texts with a problem. */
    void fail(Throwable problem) {
        for (int place : occupied()) {
            Continuation text = text(place);
            places[place] = null;
            text.fail(problem);
        }
    }

    private int[] occupied() {
        return IntStream.range(0, places.length)
                .filter(place -> places[place] != null)
                .toArray();
    }

    private Continuation text(int place) {
        Continuation text = places[place];
        if (text == null) {
            throw new IllegalStateException("place " + place + " is free");
        }
        return text;
    }

    @Override
    public void close() {
        decoder.close();
    }
}
