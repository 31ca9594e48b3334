package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class DoctorCommandTest {
    @Test
    void saysWhatThisMachineOffers() {
        Run run = Run.of("doctor");

        assertThat(run.code()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).contains("JDK", "memory", "libtorch   on the class path", "No problems found.");
    }

    @Test
    void jsonIsOneObjectInOneLine() {
        Run run = Run.of("doctor", "--json");

        assertThat(run.code()).isZero();
        assertThat(run.out()).hasLineCount(1).endsWith("}\n");
        JsonNode json = JsonMapper.shared().readTree(run.out());
        assertThat(json.path("cores").asInt()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(json.path("memory_bytes").asLong())
                .isGreaterThan(json.path("heap_max_bytes").asLong() / 2);
        assertThat(json.path("libtorch").asBoolean()).isTrue();
        assertThat(json.path("problems").isEmpty()).isTrue();
    }
}
