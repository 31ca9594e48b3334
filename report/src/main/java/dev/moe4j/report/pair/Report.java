package dev.moe4j.report.pair;

import dev.moe4j.report.page.Page;
import java.io.IOException;
import java.nio.file.Path;

/** Writes the comparison of two runs as a {@link Page}. */
public final class Report {

    private Report() {}

    /**
     * Writes the page, whole or not at all.
     *
     * @param file to create or replace; its folder must exist
     */
    public static void write(ReportData data, Path file) throws IOException {
        page(data).write(file);
    }

    /** The page as text. */
    public static String html(ReportData data) {
        return page(data).html();
    }

    private static Page page(ReportData data) {
        return new Page(data.title(), data.created(), data.sentence(), "report", ReportJson.of(data));
    }
}
