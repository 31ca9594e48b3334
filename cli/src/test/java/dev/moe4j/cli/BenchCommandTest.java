package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchCommandTest {
    private static final String TINY = "--preset=cpu-tiny-moe";

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    @Test
    void trainMeasuresWholeSteps() {
        JsonNode json = json(Run.of("bench", "train", TINY, "--precision=fp32", "--steps=5", "--warmup=1", "--json"));

        assertThat(json.propertyNames())
                .containsExactly(
                        "preset",
                        "dtype",
                        "parameters_total",
                        "parameters_active",
                        "flops_per_token",
                        "tokens_per_second",
                        "gemm_peak_gflops",
                        "fraction_of_peak",
                        "peak_rss_bytes",
                        "sections",
                        "optimizer_ms");
        assertThat(json.path("dtype").asString()).isEqualTo("fp32");
        assertThat(json.path("parameters_active").asLong())
                .isLessThan(json.path("parameters_total").asLong());
        assertThat(json.path("fraction_of_peak").asDouble()).isBetween(0.0, 1.0);
        assertThat(json.path("fraction_of_peak").asDouble())
                .isEqualTo(json.path("flops_per_token").asDouble()
                        * json.path("tokens_per_second").asDouble()
                        / (json.path("gemm_peak_gflops").asDouble() * 1e9));
        assertThat(json.path("sections").get(0).propertyNames()).containsExactly("name", "forward_ms", "backward_ms");
        assertThat(json.path("optimizer_ms").asDouble()).isPositive();
    }

    @Test
    void trainPrintsATable() {
        Run run = Run.of("bench", "train", TINY, "--steps=5", "--warmup=0");

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("cpu-tiny-moe in bf16", "tokens/s", "of the peak of", "experts ", "optimizer ");
        assertThat(run.err()).contains("bench cpu-tiny-moe 5/5 (100 %)");
    }

    @Test
    void gemmMeasuresProducts() {
        JsonNode json = json(Run.of("bench", "gemm", "--precision=fp32", "--json"));

        JsonNode square = json.path("products").get(0);
        assertThat(square.path("name").asString()).isEqualTo("square");
        assertThat(square.path("dtype").asString()).isEqualTo("fp32");
        assertThat(square.path("rows").asInt()).isEqualTo(1024);
        assertThat(json.path("products"))
                .allMatch(product -> product.path("gflops").asDouble() > 0.1);
    }

    @Test
    void wrongUsageIsTold() {
        assertThat(Run.of("bench").code()).isEqualTo(2);
        assertThat(Run.of("bench", "train").code()).isEqualTo(2);
        Run few = Run.of("bench", "train", TINY, "--steps=4");
        assertThat(few.code()).isEqualTo(2);
        assertThat(few.err()).startsWith("moe4j: --steps must be at least 5");
    }

    @Test
    void whatIsUnknownIsOneLine() {
        assertFails(Run.of("bench", "train", "--preset=cpu-moe31"), "cpu-moe32");
        assertFails(Run.of("bench", "train", TINY, "--precision=int4"), "precision 'int4' is unknown");
        assertFails(Run.of("bench", "train", TINY, "--device=cuda:99"), "device 'cuda:99' is not there");
        assertFails(Run.of("bench", "gemm", "--precision=bf16,fp8"), "precision 'fp8' is unknown");
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("moe4j: ").contains(message).hasLineCount(1);
    }
}
