package dev.moe4j.report.ladder;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.text.Numbers;
import dev.moe4j.report.page.Page;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.FamilySpeedup;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.QualityMetric;
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

/** Writes the report on studies, on the published study, or on both: an HTML page, and the same values as JSON and CSV. */
public final class StudyReport {

    private static final JsonMapper JSON = new JsonMapper();

    private StudyReport() {}

    /**
     * The written files and the most important values.
     *
     * @param report the HTML page
     * @param json the JSON file, next to the page
     * @param csv the CSV file, next to the page
     * @param verdict the verdict in words
     * @param limits limits of the verdict, in words
     * @param source the study that {@code speedup} describes: {@code published} if the published study was requested, else
     *     {@code study}
     * @param speedup speedup factors in FLOPs over dense training cost
     * @param studies results of the user's studies, one per training text
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

    /**
     * The result for one training text of the user's studies.
     *
     * @param data name of the training text
     * @param speedup speedup factors in FLOPs over dense training cost
     * @param factors one factor per metric group and cost
     */
    public record Own(String data, Speedups speedup, List<Factor> factors) {}

    /**
     * The speedup factor at the worse of both families' best metrics.
     *
     * @param figure the metric: {@code in-domain}, {@code out-of-domain} or {@code zero-shot}
     * @param cost {@code FLOPs}, {@code time} or {@code energy}
     * @param target the metric at which costs are read; null without a factor
     * @param factor dense cost over mixture cost; null if the families do not both enclose the target
     * @param low lower end of the 95 % interval over seeds; null without an interval
     * @param high upper end of the interval; null without an interval
     * @param seeds fewest seeds of any model that decides the factor
     * @param verdict the verdict for programs, such as {@code undecided_one_seed}
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

    /** Speedup curves by metric; empty if the metric was not measured or the families' values do not overlap. */
    public record Speedups(List<Sample> inDomain, List<Sample> outOfDomain, List<Sample> zeroShot) {}

    /**
     * A point of a speedup curve.
     *
     * @param denseZettaflops dense training cost in units of 10²¹ FLOPs
     * @param speedup dense cost over mixture cost
     */
    public record Sample(double denseZettaflops, double speedup) {}

    /**
     * Writes the report.
     *
     * @param folders folders of studies; may be empty if the published study is requested
     * @param published whether to include the published study
     * @param page the HTML file to write; the JSON and CSV files get the same name
     * @throws StudyException if there is nothing to report, a folder is not a study's folder, a file cannot be written, or
     *     the JSON file would overwrite a study's {@code study.json}
     */
    public static Result write(List<Path> folders, boolean published, Path page) {
        if (folders.isEmpty() && !published) {
            throw new StudyException("nothing to report: name folders that `study` wrote, or give --published");
        }
        Path json = sibling(page, ".json");
        if (StudyFolder.isIndex(json)) {
            throw new StudyException("the report " + page + " would replace " + json
                    + ", the study's table of contents; give --out another name");
        }
        StudyResults results = StudyResults.read(folders);
        List<ComparedGroup> groups = ComparedGroup.of(results.trained());
        Published tables = published ? Published.read() : null;
        String verdict =
                folders.isEmpty() ? publishedVerdict(Published.read()) : StudyVerdict.sentence(results, groups);
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

    private static String publishedVerdict(Published published) {
        QualityMetric metric = QualityMetric.mean(QualityMetric.Group.IN_DOMAIN);
        CostCurve dense = published.curve(metric, true);
        double target = dense.best();
        double factor = dense.costAt(target) / published.curve(metric, false).costAt(target);
        return "The published mixtures reach in-domain perplexity " + Numbers.significant(target, 3) + " with "
                + CostMeasure.FLOPS.less(factor) + " than dense models (" + published.source() + ").";
    }

    static Speedups speedups(Published published) {
        List<List<Sample>> curves = new ArrayList<>();
        for (QualityMetric.Group group : QualityMetric.Group.values()) {
            curves.add(published.speedup(QualityMetric.mean(group)).samples().stream()
                    .map(sample -> new Sample(sample.denseCost(), sample.speedup()))
                    .toList());
        }
        return new Speedups(curves.get(0), curves.get(1), curves.get(2));
    }

    private static Own own(ComparedGroup group) {
        List<List<Sample>> curves = new ArrayList<>();
        for (QualityMetric.Group each : QualityMetric.Group.values()) {
            curves.add(group.mean(each, CostMeasure.FLOPS).curve().samples().stream()
                    .map(sample -> new Sample(sample.denseCost() / 1e21, sample.speedup()))
                    .toList());
        }
        return new Own(
                group.run().data(),
                new Speedups(curves.get(0), curves.get(1), curves.get(2)),
                group.means().stream().map(StudyReport::factor).toList());
    }

    private static Factor factor(FamilySpeedup comparison) {
        return new Factor(
                comparison.metric().group().label(),
                comparison.cost().label(),
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
