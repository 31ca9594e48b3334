package dev.moe4j.report.ladder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.QualityMetric;
import dev.moe4j.report.statistics.SpeedupCurve;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checks that the published tables and the rule reproduce the published curves. */
class PublishedTest {

    /** Values from the paper's figures, read by eye to ±0.1. Its zero-shot curve differs from its tables beyond 17.1 ZFLOPs. */
    @ParameterizedTest
    @CsvSource({
        "IN_DOMAIN, 3.57, 7.9",
        "IN_DOMAIN, 7.08, 8.9",
        "IN_DOMAIN, 17.1, 14.4",
        "IN_DOMAIN, 20.4, 15.7",
        "IN_DOMAIN, 32.67, 10.0",
        "OUT_OF_DOMAIN, 2, 4.4",
        "OUT_OF_DOMAIN, 3.57, 4.15",
        "OUT_OF_DOMAIN, 7.08, 3.4",
        "OUT_OF_DOMAIN, 17.1, 2.75",
        "OUT_OF_DOMAIN, 20.4, 2.6",
        "OUT_OF_DOMAIN, 32.67, 2.15",
        "ZERO_SHOT, 2, 3.6",
        "ZERO_SHOT, 3.57, 3.6",
        "ZERO_SHOT, 7.08, 2.8",
        "ZERO_SHOT, 17.1, 2.25",
        "ZERO_SHOT, 20.4, 2.07",
        "ZERO_SHOT, 32.67, 1.83"
    })
    void theRuleReproducesThePublishedCurves(QualityMetric.Group group, double zettaflops, double speedup) {
        QualityMetric metric = QualityMetric.mean(group);
        CostCurve dense = Published.read().curve(metric, true);
        CostCurve moe = Published.read().curve(metric, false);

        assertThat(zettaflops / moe.costAt(dense.metricAt(zettaflops))).isEqualTo(speedup, offset(0.15));
    }

    @Test
    void curvesAreSampledBetweenAndAtAllKnots() {
        QualityMetric metric = QualityMetric.mean(QualityMetric.Group.IN_DOMAIN);
        SpeedupCurve curve = Published.read().speedup(metric);

        assertThat(curve.samples()).hasSizeGreaterThanOrEqualTo(100);
        assertThat(curve.samples())
                .extracting(SpeedupCurve.Sample::denseCost)
                .isSorted()
                .contains(3.56661, 7.07550, 17.11901, 32.67305);
        // Mixtures enclose four dense models, and dense models enclose the mixtures 15B and 52B.
        CostCurve dense = Published.read().curve(metric, true);
        assertThat(curve.samples().stream().filter(SpeedupCurve.Sample::knot)).hasSize(6);
        for (double perplexity : List.of(12.57, 9.58)) {
            assertThat(curve.samples())
                    .anyMatch(sample -> Math.abs(sample.denseCost() - dense.costAt(perplexity)) < 1e-9);
        }
    }

    @Test
    void nothingIsExtrapolated() {
        CostCurve dense = CostCurve.of(
                List.of(new CostCurve.Point(1, 20), new CostCurve.Point(4, 10), new CostCurve.Point(3, 21)), true);

        assertThat(dense.points())
                .as("a model that is not better than a cheaper one is left out")
                .hasSize(2);
        assertThat(dense.costAt(15)).isEqualTo(2, offset(1e-12));
        assertThat(dense.metricAt(2)).isEqualTo(15, offset(1e-12));
        assertThat(dense.costAt(9.9)).isNaN();
        assertThat(dense.costAt(20.1)).isNaN();
        assertThat(dense.metricAt(4.1)).isNaN();
        CostCurve apart = CostCurve.of(List.of(new CostCurve.Point(1, 5), new CostCurve.Point(2, 4)), true);
        assertThat(SpeedupCurve.of(dense, apart).samples()).isEmpty();
        assertThat(SpeedupCurve.of(dense, CostCurve.of(List.of(), true)).samples())
                .isEmpty();
    }

    @Test
    void theReportNeedsNoStudy(@TempDir Path folder) throws Exception {
        StudyReport.Result result = StudyReport.write(List.of(), true, folder.resolve("report.html"));

        assertThat(result.source()).isEqualTo("published");
        assertThat(Stream.of(
                        result.speedup().inDomain(),
                        result.speedup().outOfDomain(),
                        result.speedup().zeroShot()))
                .allSatisfy(curve -> assertThat(curve).hasSizeGreaterThanOrEqualTo(100));
        assertThat(result.verdict()).contains("8.96", "10.00 times fewer FLOPs");
        assertThat(Files.readString(result.report())).contains("<!doctype html>");
    }
}
