package dev.moe4j.report.ladder;

import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.Figure;
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
 * The study's own results, to compare with: published.json beside this class.
 *
 * @param source where they are from
 */
record Published(String source, List<Model> models) {

    /**
     * A model.
     *
     * @param experts 0 for a dense one
     * @param zettaflops of its training
     * @param inDomain perplexity
     * @param outOfDomain perplexity, mean over the subsets of the Pile
     * @param zeroShot accuracy in percent, mean over tasks
     * @param tasks accuracies in percent
     */
    record Model(
            String name,
            int experts,
            double zettaflops,
            double inDomain,
            double outOfDomain,
            double zeroShot,
            Map<String, Double> tasks) {

        double figure(Figure figure) {
            return switch (figure.group()) {
                case IN_DOMAIN -> inDomain;
                case OUT_OF_DOMAIN -> outOfDomain;
                case ZERO_SHOT -> figure.isMean() ? zeroShot : tasks.getOrDefault(figure.member(), Double.NaN);
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

    /** One family's curve over ZFLOPs. */
    CostCurve curve(Figure figure, boolean dense) {
        return CostCurve.of(
                models.stream()
                        .filter(model -> (model.experts == 0) == dense)
                        .map(model -> new CostCurve.Point(model.zettaflops, model.figure(figure)))
                        .toList(),
                figure.group().lowerIsBetter());
    }

    SpeedupCurve speedup(Figure figure) {
        return SpeedupCurve.of(curve(figure, true), curve(figure, false));
    }
}
