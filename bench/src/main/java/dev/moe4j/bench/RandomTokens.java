package dev.moe4j.bench;

import dev.moe4j.train.Trainer;
import java.util.SplittableRandom;

/** Sequences of random tokens, for measurements of speed and memory that do not depend on text. */
final class RandomTokens implements Trainer.SequenceSource {

    private final SplittableRandom random = new SplittableRandom(1);
    private final int vocabulary;

    RandomTokens(int vocabulary) {
        this.vocabulary = vocabulary;
    }

    @Override
    public void sequence(long number, int[] tokens) {
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = random.nextInt(vocabulary);
        }
    }
}
