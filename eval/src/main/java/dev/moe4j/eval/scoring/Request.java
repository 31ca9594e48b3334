package dev.moe4j.eval.scoring;

import java.util.Arrays;

/**
 * A token sequence whose end is scored.
 *
 * @param tokens the complete sequence
 * @param from index of the first scored token, at least 1, because a probability needs a preceding token
 * @param bytes bytes of the source text of the scored part, in UTF-8
 */
public record Request(int[] tokens, int from, int bytes) {

    public Request {
        if (from < 1 || from >= tokens.length) {
            throw new IllegalArgumentException("cannot score " + tokens.length + " tokens from index " + from);
        }
    }

    public int length() {
        return tokens.length;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Request(int[] ids, int start, int size)
                && start == from
                && size == bytes
                && Arrays.equals(ids, tokens);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(tokens) + from;
    }

    @Override
    public String toString() {
        return tokens.length + " tokens scored from " + from;
    }
}
