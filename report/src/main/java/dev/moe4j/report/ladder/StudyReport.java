package dev.moe4j.report.ladder;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.text.Numbers;
import dev.moe4j.report.page.Page;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.Comparison;
import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.Figure;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.Spending;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyFolder;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The report of studies, of the published one, or of both: a page, and the same numbers as JSON and as CSV. */
public final class StudyReport {

    private static final JsonMapper JSON = new JsonMapper();

    private StudyReport() {}

    /**
     * What was written, and its most important numbers.
     *
     * @param report the page; {@code .json} and {@code .csv} stand beside it
     * @param verdict in words
     * @param limits of the verdict
     * @param source whose {@code speedup} it is: {@code published} where the published study was asked for, else {@code
     *     study}
     * @param speedup factors in FLOPs over dense training cost
     * @param studies own factors, one for each training text
     */
    public record Result(
            Path report,
            Path json,
            Path csv,
            String verdict,
            List<String> limits,
            String source,
            Speedups speedup,
            List<Own> studies) {}

    /** An own comparison. */
    public record Own(String data, Speedups speedup, List<Factor> factors) {}

    /**
     * A factor at the worse of both families' best figures.
     *
     * @param figure {@code in-domain}, {@code out-of-domain} or {@code zero-shot}
     * @param cost {@code FLOPs}, {@code time} or {@code energy}
     * @param factor null where there is none
     * @param low end of the 95 % interval over seeds; null without an interval
     * @param seeds of the model with the fewest, among those that decide the factor
     * @param verdict for programs, such as {@code undecided_one_seed}
     * @param words the verdict for people
     */
    public record Factor(
            String figure,
            String cost,
            @Nullable Double target,
            @Nullable Double factor,
            @Nullable Double low,
            @Nullable Double high,
            int seeds,
            String verdict,
            String words) {}

    /** Curves of speedup; empty where a group was not measured or the families have no figure in common. */
    public record Speedups(List<Sample> inDomain, List<Sample> outOfDomain, List<Sample> zeroShot) {}

    /** A reading: 10²¹ operations of dense training, and the factor. */
    public record Sample(double denseZettaflops, double speedup) {}

    /**
     * Writes the report.
     *
     * @param folders of studies; may be empty where the published study is asked for
     * @param published whether to show the published study
     * @param page the file to write
     * @throws StudyException if there is nothing to report, a folder is no study's, or the file cannot be written, or would
     *     stand in the place of a study's index
     */
    public static Result write(List<Path> folders, boolean published, Path page) {
        if (folders.isEmpty() && !published) {
            throw new StudyException("nothing to report: name folders that `study` wrote, or give --published");
        }
        Path json = sibling(page, ".json");
        if (StudyFolder.isIndex(json)) {
            throw new StudyException("the report " + page + " would replace " + json
                    + ", which says what the study consists of; give --out another name");
        }
        StudyResults results = StudyResults.read(folders);
        List<ComparedGroup> groups = ComparedGroup.of(results.trained());
        Published tables = published ? Published.read() : null;
        String verdict = folders.isEmpty() ? ofPublished(Published.read()) : StudyVerdict.sentence(results, groups);
        List<String> limits = StudyVerdict.limits(results, groups);
        ObjectNode data = StudyReportJson.of(results, groups, limits, tables);
        String title = folders.isEmpty()
                ? "The published study"
                : results.studies().getFirst().title();
        Path csv = sibling(page, ".csv");
        try {
            new Page(title, Instant.now(), verdict, "study", data).write(page);
            AtomicFile.write(json, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(data) + "\n");
            AtomicFile.write(csv, StudyCsv.of(results.trained()));
        } catch (IOException e) {
            throw new StudyException("cannot write the report " + page + ": " + DataException.reason(e), e);
        }
        List<Own> own = groups.stream().map(StudyReport::own).toList();
        Speedups speedup = tables != null
                ? speedups(tables)
                : own.isEmpty() ? new Speedups(List.of(), List.of(), List.of()) : own.getFirst().speedup;
        return new Result(page, json, csv, verdict, limits, tables != null ? "published" : "study", speedup, own);
    }

    private static Path sibling(Path page, String ending) {
        String name = page.getFileName().toString();
        return page.resolveSibling(name.replaceFirst("\\.html?$", "") + ending);
    }

    private static String ofPublished(Published published) {
        Figure figure = Figure.mean(Figure.Group.IN_DOMAIN);
        CostCurve dense = published.curve(figure, true);
        double target = dense.best();
        double factor = dense.costAt(target) / published.curve(figure, false).costAt(target);
        return "The published mixtures reach in-domain perplexity " + Numbers.significant(target, 3) + " with "
                + Spending.FLOPS.less(factor) + " than dense models (" + published.source() + ").";
    }

    static Speedups speedups(Published published) {
        List<List<Sample>> curves = new ArrayList<>();
        for (Figure.Group group : Figure.Group.values()) {
            curves.add(published.speedup(Figure.mean(group)).samples().stream()
                    .map(sample -> new Sample(sample.denseCost(), sample.speedup()))
                    .toList());
        }
        return new Speedups(curves.get(0), curves.get(1), curves.get(2));
    }

    private static Own own(ComparedGroup group) {
        List<List<Sample>> curves = new ArrayList<>();
        for (Figure.Group each : Figure.Group.values()) {
            curves.add(group.mean(each, Spending.FLOPS).curve().samples().stream()
                    .map(sample -> new Sample(sample.denseCost() / 1e21, sample.speedup()))
                    .toList());
        }
        return new Own(
                group.run().data(),
                new Speedups(curves.get(0), curves.get(1), curves.get(2)),
                group.means().stream().map(StudyReport::factor).toList());
    }

    private static Factor factor(Comparison comparison) {
        return new Factor(
                comparison.figure().group().label(),
                comparison.spending().label(),
                known(comparison.target()),
                known(comparison.factor()),
                comparison.interval().map(Interval::low).orElse(null),
                comparison.interval().map(Interval::high).orElse(null),
                comparison.seeds(),
                comparison.verdict().name().toLowerCase(Locale.ROOT),
                comparison.verdict().words());
    }

    private static @Nullable Double known(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
