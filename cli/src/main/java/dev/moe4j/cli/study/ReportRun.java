package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import dev.moe4j.report.ladder.StudyReport;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Runs {@link ReportCommand}. Separate from the command, whose class loads with every {@code --help}. */
record ReportRun(
        Output output,
        List<Path> folders,
        boolean published,
        @Nullable Path out) {

    void run() {
        Path folder = folders.isEmpty() ? Path.of("") : folders.getFirst();
        Path page = Objects.requireNonNullElse(out, folder.resolve("report.html"));
        StudyReport.Result result = StudyReport.write(folders, published, page);
        output.print(result, to -> print(result, to));
    }

    private static void print(StudyReport.Result result, PrintWriter to) {
        to.println(result.verdict());
        result.limits().forEach(limit -> to.println("- " + limit));
        for (StudyReport.Own own : result.studies()) {
            to.printf("%n%-16s %-8s %12s %8s  %-16s %s%n", own.data(), "cost", "target", "factor", "95 %", "verdict");
            for (StudyReport.Factor factor : own.factors()) {
                to.printf(
                        "%-16s %-8s %12s %8s  %-16s %s%n",
                        factor.figure(),
                        factor.cost(),
                        number("%.2f", factor.target()),
                        number("%.2f", factor.factor()),
                        factor.low() == null
                                ? ""
                                : number("%.2f", factor.low()) + " to " + number("%.2f", factor.high()),
                        factor.words());
            }
        }
        to.println(result.report());
    }

    private static String number(String format, @Nullable Double value) {
        return value == null ? "-" : String.format(format, value);
    }
}
