package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.Golden;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.config.UpdateConvention;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Compares the learning rate schedules with the published ones, under the published convention. */
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

    /**
     * The published system replaces a negative initial rate by 0 if there is a warm-up, and by the peak rate otherwise.
     */
    @ParameterizedTest
    @CsvSource({"cosine, 4, 0", "inverse_sqrt, 4, 0", "cosine, 0, 1", "polynomial_decay, 0, 1"})
    void aNegativeStartingRateIsTheDefault(String name, int warmup, double firstFraction) {
        double peak = 1e-3;
        JsonNode config = JsonMapper.shared()
                .createObjectNode()
                .put("warmup_updates", warmup)
                .put("warmup_init_lr", -1);

        assertThat(published(name, peak, config).rate(peak, 1, 100)).isCloseTo(firstFraction * peak, within(1e-15));
    }

    /** A published schedule by its published name and keys. */
    static ScheduleConfig published(String name, double peak, JsonNode config) {
        long warmup = config.path("warmup_updates").asLong();
        double initial = config.path("warmup_init_lr").asDouble(-1);
        ScheduleConfig.Kind kind = switch (name) {
            case "fixed" -> ScheduleConfig.Kind.CONSTANT;
            case "polynomial_decay" -> ScheduleConfig.Kind.POLYNOMIAL;
            case "cosine" -> ScheduleConfig.Kind.COSINE;
            case "inverse_sqrt" -> ScheduleConfig.Kind.INVERSE_SQUARE_ROOT;
            default -> throw new IllegalArgumentException("no schedule is the published " + name);
        };
        return new ScheduleConfig(
                kind,
                UpdateConvention.PUBLISHED,
                warmup,
                initial >= 0 ? initial / peak : warmup > 0 ? 0 : 1,
                config.path("end_learning_rate").asDouble(config.path("min_lr").asDouble(0)) / peak,
                config.path("power").asDouble(1));
    }
}
