package dev.moe4j.text;

import java.util.SplittableRandom;

/** Random text from a seed, which is printed: to replay, run the tests with {@code -Dmoe4j.seed=…}. */
public final class Generator {
    private static final String[] ALPHABETS = {
        "abcdefghijklmnopqrstuvwxyz",
        "ab",
        " \t\n\r",
        "0123456789",
        ".,;:!?'\"-_=()[]{}",
        "aé漢ب",
        "'stdmlreve ",
        "e \n",
    };

    private final SplittableRandom random;

    public Generator(String test) {
        long seed = Long.getLong("moe4j.seed", System.nanoTime());
        System.out.println(test + " with -Dmoe4j.seed=" + seed);
        random = new SplittableRandom(seed);
    }

    public int below(int bound) {
        return random.nextInt(bound);
    }

    public long nextLong() {
        return random.nextLong();
    }

    /** Up to {@code length} characters, well-formed: runs from small alphabets, repetitions and any code points. */
    public String text(int length) {
        StringBuilder text = new StringBuilder();
        int target = 1 + below(length);
        while (text.length() < target) {
            int run = 1 + below(20);
            switch (below(5)) {
                case 0 -> {
                    for (int i = 0; i < run; i++) {
                        text.appendCodePoint(codePoint());
                    }
                }
                case 1 -> {
                    int from = below(text.length() + 1);
                    while (from > 0 && from < text.length() && Character.isLowSurrogate(text.charAt(from))) {
                        from--;
                    }
                    int to = Math.min(text.length(), from + run);
                    if (to < text.length() && Character.isLowSurrogate(text.charAt(to))) {
                        to++;
                    }
                    text.append(text.substring(from, to));
                }
                default -> {
                    String alphabet = ALPHABETS[below(ALPHABETS.length)];
                    for (int i = 0; i < run; i++) {
                        text.append(alphabet.charAt(below(alphabet.length())));
                    }
                }
            }
        }
        return text.toString();
    }

    private int codePoint() {
        int[] bounds = {0x80, 0x250, 0x3000, 0x10000, 0x110000};
        while (true) {
            int c = 1 + below(bounds[below(bounds.length)] - 1);
            if (c < 0xd800 || c > 0xdfff) {
                return c;
            }
        }
    }
}
