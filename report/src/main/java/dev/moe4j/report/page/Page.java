package dev.moe4j.report.page;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.eval.perplexity.HtmlEscaper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.webjars.WebJarVersionLocator;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A self-contained HTML page that opens without a network.
 *
 * <p>The page combines a template, a style sheet and scripts from this package's resources. The scripts draw the embedded
 * JSON. All data is either escaped, or embedded as JSON that cannot close its script element. The scripts insert it as
 * text nodes, never as markup. A content security policy blocks all requests.
 *
 * @param title the page's heading
 * @param created time that the page shows
 * @param sentence the result in one sentence; a final part in brackets is set smaller
 * @param name base name of the resources with the sections, {@code NAME.html}, and the script, {@code NAME.js}
 * @param data the data for the script
 */
public record Page(String title, Instant created, String sentence, String name, ObjectNode data) {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{([a-z-]+)}}");
    private static final DateTimeFormatter MINUTE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT);
    private static final JsonMapper JSON = new JsonMapper();

    /**
     * Writes the page atomically: if the write fails, an older page stays unchanged.
     *
     * @param file the file to create or replace; its folder must exist
     * @throws IOException if the file cannot be written
     */
    public void write(Path file) throws IOException {
        AtomicFile.write(file, html());
    }

    /** The page's HTML. */
    public String html() {
        int limits = sentence.endsWith(").") ? sentence.indexOf(" (") : -1;
        String finding = limits < 0 ? sentence : sentence.substring(0, limits);
        return fill(
                resource("page.html"),
                Map.ofEntries(
                        Map.entry("title", HtmlEscaper.escape(title)),
                        Map.entry("finding", HtmlEscaper.escape(finding)),
                        Map.entry("limits", HtmlEscaper.escape(sentence.substring(finding.length()))),
                        Map.entry("created", HtmlEscaper.escape(MINUTE.format(created.atOffset(ZoneOffset.UTC)))),
                        Map.entry("main", resource(name + ".html")),
                        Map.entry("uplot-licence", resource(uplot("LICENSE")).replace("*/", "* /")),
                        Map.entry("uplot-css", resource(uplot("dist/uPlot.min.css"))),
                        Map.entry("uplot-js", resource(uplot("dist/uPlot.iife.min.js"))),
                        Map.entry("style", resource("report.css")),
                        Map.entry("page-js", resource("page.js")),
                        Map.entry("script", resource(name + ".js")),
                        Map.entry("data", inScript(data))));
    }

    /** JSON for a script element, with all markup characters escaped. */
    private static String inScript(ObjectNode data) {
        return JSON.writeValueAsString(data)
                .replace("&", "\\u0026")
                .replace("<", "\\u003c")
                .replace(">", "\\u003e")
                .replace("\u2028", "\\u2028")
                .replace("\u2029", "\\u2029");
    }

    /** Replaces each {@code {{name}}} of the template. Inserted values are not searched for placeholders. */
    public static String fill(String template, Map<String, String> values) {
        return PLACEHOLDER.matcher(template).replaceAll(match -> {
            String value = values.get(match.group(1));
            if (value == null) {
                throw new IllegalStateException("The report's template has an unknown placeholder " + match.group());
            }
            return Matcher.quoteReplacement(value);
        });
    }

    /** The resource path of a file of the chart library; it contains the library's version. */
    private static String uplot(String file) {
        String path = new WebJarVersionLocator().fullPath("uplot", file);
        if (path == null) {
            throw new IllegalStateException("The chart library org.webjars.npm:uplot is not on the class path");
        }
        return "/" + path;
    }

    private static String resource(String name) {
        try (InputStream in = Page.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("The report's resource " + name + " is not on the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("The report's resource " + name + " cannot be read", e);
        }
    }
}
