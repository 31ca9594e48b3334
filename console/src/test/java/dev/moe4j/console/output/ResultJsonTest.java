package dev.moe4j.console.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ResultJsonTest {
    record Result(
            String zooName,
            long flopsPerToken,
            double loss,
            float rate,
            @Nullable Double speedupFlops,
            List<Double> curve,
            Map<String, Integer> byKey,
            Path reportFile,
            Inner inner) {}

    record Inner(boolean isDone, List<Float> values) {}

    @Test
    void recordsKeepTheirOrderInSnakeCase() {
        Result result = new Result(
                "a\nb",
                1L << 40,
                0.1,
                0.25f,
                null,
                Arrays.asList(1.0, Double.NaN),
                Map.of("Kept_As-is", 1),
                Path.of("runs/report.html"),
                new Inner(true, List.of(0.5f, Float.NaN)));

        assertThat(ResultJson.line(result))
                .isEqualTo("{\"zoo_name\":\"a\\nb\",\"flops_per_token\":1099511627776,\"loss\":0.1,\"rate\":0.25,"
                        + "\"speedup_flops\":null,\"curve\":[1.0,null],\"by_key\":{\"Kept_As-is\":1},"
                        + "\"report_file\":\"runs/report.html\",\"inner\":{\"is_done\":true,\"values\":[0.5,null]}}");
    }

    @Test
    void nonFiniteNumbersAreNull() {
        assertThat(ResultJson.line(Map.of("x", Float.POSITIVE_INFINITY))).isEqualTo("{\"x\":null}");
    }
}
