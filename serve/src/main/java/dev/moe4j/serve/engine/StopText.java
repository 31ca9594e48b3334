package dev.moe4j.serve.engine;

import java.util.List;

/** Detects stop texts. It holds back text that may be the start of a stop text, and cuts the text before a stop text. */
final class StopText {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean met;

    /** @param stops the stop texts, which must not be empty */
    StopText(List<String> stops) {
        this.stops = stops;
    }

    /** Adds text. Returns the text that is certain not to belong to a stop text. */
    String add(String text) {
        held.append(text);
        int end = stops.stream()
                .mapToInt(held::indexOf)
                .filter(at -> at >= 0)
                .min()
                .orElse(-1);
        met = end >= 0;
        String certain = held.substring(0, met ? end : held.length() - partialStop());
        held.delete(0, met ? held.length() : certain.length());
        return certain;
    }

    /** Whether a stop text was found. No text may be added after it. */
    boolean met() {
        return met;
    }

    /** Ends the text. Returns the text that was held back. */
    String end() {
        String rest = held.toString();
        held.setLength(0);
        return rest;
    }

    /** Returns the length of the longest end of the held text that is a start of a stop text. */
    private int partialStop() {
        int longest = 0;
        for (String stop : stops) {
            for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
                if (stop.startsWith(held.substring(held.length() - n))) {
                    longest = n;
                }
            }
        }
        return longest;
    }
}
