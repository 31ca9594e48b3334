package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.formats.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class GoldenTest {

    /** Every case in a family's JSON has its tensors in the folder. */
    @TestFactory
    Stream<DynamicTest> everyListedCaseExists() {
        return Golden.FAMILIES.stream()
                .flatMap(family -> Golden.tests(family, golden -> {
                    if (!family.equals("lr_schedules")) {
                        assertThat(golden.tensors().names()).isNotEmpty();
                    }
                    if (family.startsWith("train_") || family.equals("lm") || family.equals("moe_layer")) {
                        assertThat(golden.weights().names()).isNotEmpty();
                    }
                }));
    }

    @Test
    void resourcesHaveEveryFamilyAndStaySmall() throws IOException {
        Golden copy = new Golden(Golden.wanted(""));
        for (String family : Golden.FAMILIES) {
            assertThat(copy.cases(family)).as(family).isNotEmpty();
        }
        long bytes = 0;
        try (Stream<Path> files = Files.list(copy.folder())) {
            for (Path file : files.toList()) {
                bytes += Files.size(file);
            }
        }
        assertThat(bytes).isLessThan(8_000_000);
    }

    @Test
    void readsTensorsOfEveryType() {
        Golden copy = new Golden(Golden.wanted(""));
        Golden.Case gating = copy.cases("gating").getFirst();
        assertThat(gating.tensors().names()).contains("logits", "expert1").noneMatch(name -> name.contains("/"));
        assertThat(gating.tensors().shape("logits")).containsExactly(32, 4);
        assertThat(gating.tensors().longs("expert1")).hasSize(32).containsOnly(0, 1, 2, 3);
        // A file whose first tensor has 30 bytes, so the next tensor is not aligned.
        Golden.Tensors padded = copy.cases("moe_layer").stream()
                .filter(golden -> golden.name().equals("l2_top2_padmask"))
                .findFirst()
                .orElseThrow()
                .tensors();
        assertThat(padded.longs("pad_mask")).hasSize(30).containsOnly(0, 1);
        float[] output = padded.floats("output");
        double[] output64 = padded.doubles("output.f64");
        assertThat(output64).hasSameSizeAs(output);
        for (int i = 0; i < output.length; i++) {
            assertThat(output64[i]).isCloseTo(output[i], within(1e-5));
        }
    }

    @Test
    void skipsAMissingFamily(@TempDir Path folder) throws IOException {
        Files.copy(Golden.wanted("").resolve("lr_schedules.json"), folder.resolve("lr_schedules.json"));
        Golden golden = new Golden(folder);
        assertThat(golden.cases("lr_schedules")).isNotEmpty();
        assertThat(golden.cases("gating")).isEmpty();
        assertThat(golden.cases("sinusoidal")).isEmpty();
    }

    @Test
    void failsWithoutAnyCase(@TempDir Path folder) throws IOException {
        assertThatThrownBy(() -> new Golden(folder)).hasMessageContaining("no golden case");
        Files.writeString(folder.resolve("lm.json"), "{\"cases\": []}");
        assertThatThrownBy(() -> new Golden(folder)).hasMessageContaining("no golden case");
        assertThatThrownBy(() -> Golden.wanted("no/such/folder")).hasMessageContaining("no/such/folder");
    }

    @Test
    void namesAMissingFile(@TempDir Path folder) throws IOException {
        Files.copy(Golden.wanted("").resolve("lm.json"), folder.resolve("lm.json"));
        Golden.Case golden = new Golden(folder).cases("lm").getFirst();
        assertThatThrownBy(golden::tensors)
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("lm_dense_a.safetensors does not exist");
    }
}
