package dev.moe4j.eval.perplexity;

/** Escapes text for HTML and SVG. */
public final class HtmlEscaper {

    private HtmlEscaper() {}

    /** Escapes text for use as element content or as a quoted attribute value. */
    public static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }
}
