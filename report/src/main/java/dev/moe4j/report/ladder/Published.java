package dev.moe4j.report.ladder;

import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.QualityMetric;
import dev.moe4j.report.statistics.SpeedupCurve;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/**
 * Results of the published study (Artetxe et al. 2021), from the resource {@code published.json}.
 *
 * @param source citation of the results
 * @param models the published models
 */
record Published(String source, List<Model> models) {

    /**
     * A published model.
     *
     * @param name the model's name
     * @param experts experts of each MoE layer; 0 for a dense model
     * @param zettaflops training cost in units of 10²¹ FLOPs
     * @param inDomain in-domain perplexity
     * @param outOfDomain mean perplexity over the subsets of the Pile
     * @param zeroShot mean accuracy over tasks, in percent
     * @param tasks accuracies by task, in percent
     */
    record Model(
            String name,
            int experts,
            double zettaflops,
            double inDomain,
            double outOfDomain,
            double zeroShot,
            Map<String, Double> tasks) {

        double value(QualityMetric metric) {
            return switch (metric.group()) {
                case IN_DOMAIN -> inDomain;
                case OUT_OF_DOMAIN -> outOfDomain;
                case ZERO_SHOT -> metric.isMean() ? zeroShot : tasks.getOrDefault(metric.member(), Double.NaN);
            };
        }
    }

    static Published read() {
        JsonMapper json = JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
                .build();
        try (InputStream in = Objects.requireNonNull(Published.class.getResourceAsStream("published.json"))) {
            return json.readValue(in, Published.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The cost curve of one family, in units of 10²¹ FLOPs. */
    CostCurve curve(QualityMetric metric, boolean dense) {
        return CostCurve.of(
                models.stream()
                        .filter(model -> (model.experts == 0) == dense)
                        .map(model -> new CostCurve.Point(model.zettaflops, model.value(metric)))
                        .toList(),
                metric.group().lowerIsBetter());
    }

    SpeedupCurve speedup(QualityMetric metric) {
        return SpeedupCurve.of(curve(metric, true), curve(metric, false));
    }
}
