package dev.moe4j.study;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes the comparison of two runs as one HTML file that needs nothing else, not even a network.
 *
 * <p>The page is a template, a style sheet and a script beside this class; the script draws what {@link ReportJson}
 * embeds. Every text from outside reaches the page either escaped or as JSON that cannot end its script element, and
 * from there as text nodes, never as markup. A content security policy forbids the page every request.
 */
public final class Report {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{([a-z-]+)}}");
    private static final DateTimeFormatter MINUTE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT);

    private Report() {}

    /**
     * Writes the page beside {@code file} and renames it when it is whole, so that an interrupted write leaves an
     * older page as it was.
     *
     * @param file to create or replace; its folder must exist
     */
    public static void write(ReportData data, Path file) throws IOException {
        Path target = file.toAbsolutePath();
        Path unfinished = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.writeString(unfinished, html(data), StandardCharsets.UTF_8, StandardOpenOption.CREATE_NEW);
            Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    /** The page as text. */
    public static String html(ReportData data) {
        // A sentence that ends in brackets has its limits there: they are set smaller.
        String sentence = data.sentence();
        int limits = sentence.endsWith(").") ? sentence.indexOf(" (") : -1;
        String finding = limits < 0 ? sentence : sentence.substring(0, limits);
        return fill(
                resource("/dev/moe4j/study/report.html"),
                Map.of(
                        "title", escape(data.title()),
                        "finding", escape(finding),
                        "limits", escape(sentence.substring(finding.length())),
                        "created", escape(MINUTE.format(data.created().atOffset(ZoneOffset.UTC))),
                        "uplot-licence", resource(uplot("LICENSE")).replace("*/", "* /"),
                        "uplot-css", resource(uplot("dist/uPlot.min.css")),
                        "uplot-js", resource(uplot("dist/uPlot.iife.min.js")),
                        "style", resource("/dev/moe4j/study/report.css"),
                        "script", resource("/dev/moe4j/study/report.js"),
                        "data", ReportJson.of(data)));
    }

    /** Replaces each {@code {{name}}} once; what is put in is not searched again. */
    static String fill(String template, Map<String, String> values) {
        return PLACEHOLDER.matcher(template).replaceAll(match -> {
            String value = values.get(match.group(1));
            if (value == null) {
                throw new IllegalStateException("The report's template asks for an unknown " + match.group());
            }
            return Matcher.quoteReplacement(value);
        });
    }

    /** Safe as the text of an element and as the value of a quoted attribute. */
    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }

    /** The path of a file of the chart library, whose version is in its path. */
    private static String uplot(String file) {
        Properties properties = new Properties();
        String name = "/META-INF/maven/org.webjars.npm/uplot/pom.properties";
        try (InputStream in = Report.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("The chart library org.webjars.npm:uplot is not on the class path");
            }
            properties.load(in);
        } catch (IOException e) {
            throw new IllegalStateException("The chart library's " + name + " cannot be read", e);
        }
        return "/META-INF/resources/webjars/uplot/"
                + properties.getProperty("version", "").strip() + "/" + file;
    }

    private static String resource(String name) {
        try (InputStream in = Report.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("The report's part " + name + " is not on the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("The report's part " + name + " cannot be read", e);
        }
    }
}
