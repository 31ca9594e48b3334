package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.Golden;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;

/** The learning-rate schedules against the published ones, under the published convention. */
class LrScheduleGoldenTest {

    @TestFactory
    Stream<DynamicTest> schedules() {
        return Golden.tests("lr_schedules", golden -> {
            JsonNode config = golden.json().path("cfg");
            double peak = config.path("lr").path(0).asDouble();
            long updates = config.path("total_num_update").asLong(Long.MAX_VALUE);
            ScheduleConfig schedule = published(golden.json().path("name").asString(), peak, config);
            assertThat(golden.json().path("values").properties()).isNotEmpty();
            golden.json().path("values").properties().forEach(value -> {
                long done = Long.parseLong(value.getKey());
                double expected = value.getValue().asDouble();
                assertThat(schedule.rate(peak, done + 1, updates))
                        .as("after %d updates", done)
                        .isCloseTo(expected, within(1e-12 * peak));
            });
        });
    }

    /** A published schedule by its published name and keys. */
    static ScheduleConfig published(String name, double peak, JsonNode config) {
        ScheduleConfig.Kind kind = switch (name) {
            case "fixed" -> ScheduleConfig.Kind.CONSTANT;
            case "polynomial_decay" -> ScheduleConfig.Kind.POLYNOMIAL;
            case "cosine" -> ScheduleConfig.Kind.COSINE;
            case "inverse_sqrt" -> ScheduleConfig.Kind.INVERSE_SQUARE_ROOT;
            default -> throw new IllegalArgumentException("no schedule is the published " + name);
        };
        return new ScheduleConfig(
                kind,
                Convention.PUBLISHED,
                config.path("warmup_updates").asLong(),
                config.path("warmup_init_lr").asDouble(0) / peak,
                config.path("end_learning_rate").asDouble(config.path("min_lr").asDouble(0)) / peak,
                config.path("power").asDouble(1));
    }
}
