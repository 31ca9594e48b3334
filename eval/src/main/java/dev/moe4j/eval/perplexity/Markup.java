package dev.moe4j.eval.perplexity;

/** Text within HTML and SVG. */
public final class Markup {

    private Markup() {}

    /** Safe as the text of an element and as the value of a quoted attribute. */
    public static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }
}
