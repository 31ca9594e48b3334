package dev.moe4j.report.pair;

import dev.moe4j.report.page.Page;
import java.io.IOException;
import java.nio.file.Path;

/** Writes the report on a dense run and a mixture-of-experts run as an HTML page. */
public final class Report {

    private Report() {}

    /**
     * Writes the page atomically.
     *
     * @param data the data to show
     * @param file the file to create or replace; its folder must exist
     * @throws IOException if the file cannot be written
     */
    public static void write(ReportData data, Path file) throws IOException {
        page(data).write(file);
    }

    /** The page's HTML. */
    public static String html(ReportData data) {
        return page(data).html();
    }

    private static Page page(ReportData data) {
        return new Page(data.title(), data.created(), data.sentence(), "report", ReportJson.of(data));
    }
}
