package dev.moe4j.serve.engine;

import java.util.List;

/** Holds text back while it may be the beginning of a stop text, and cuts it off before one. */
final class StopText {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean met;

    /** None of them is empty. */
    StopText(List<String> stops) {
        this.stops = stops;
    }

    /** Adds text and gives what is certain to stay. */
    String add(String text) {
        held.append(text);
        int end = stops.stream()
                .mapToInt(held::indexOf)
                .filter(at -> at >= 0)
                .min()
                .orElse(-1);
        met = end >= 0;
        String certain = held.substring(0, met ? end : held.length() - beginning());
        held.delete(0, met ? held.length() : certain.length());
        return certain;
    }

    /** Whether a stop text came: nothing is to be added any more. */
    boolean met() {
        return met;
    }

    /** What was held back, once nothing follows. */
    String end() {
        String rest = held.toString();
        held.setLength(0);
        return rest;
    }

    /** How much of the held text's end is the beginning of a stop text, at most. */
    private int beginning() {
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
