package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;

/** A change to the text of a document. */
public enum TextTransform {
    /** No change. */
    @JsonProperty("none")
    NONE,
    /** Replaces each run of two or more spaces and tabs by one space. Small vocabularies have no tokens for such runs. */
    @JsonProperty("collapse_spaces")
    COLLAPSE_SPACES;

    String apply(String text) {
        return switch (this) {
            case NONE -> text;
            case COLLAPSE_SPACES -> collapse(text);
        };
    }

    private static String collapse(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); ) {
            int end = i;
            while (end < text.length() && (text.charAt(end) == ' ' || text.charAt(end) == '\t')) {
                end++;
            }
            if (end - i >= 2) {
                out.append(' ');
                i = end;
            } else {
                out.append(text.charAt(i++));
            }
        }
        return out.toString();
    }
}
