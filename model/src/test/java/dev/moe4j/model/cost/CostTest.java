package dev.moe4j.model.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CostTest {

    /** The study's training costs for 300 billion tokens, to four digits. */
    @ParameterizedTest
    @CsvSource({
        "dense-125m, 0.36356",
        "dense-355m, 1.05853",
        "dense-1.3b, 3.56661",
        "dense-2.7b, 7.07550",
        "dense-6.7b, 17.11901",
        "dense-13b, 32.67305",
        "dense-175b, 430.173",
        "moe-15b, 0.43151",
        "moe-52b, 1.30012",
        "moe-207b, 4.53297",
        "moe-1.1t, 22.273"
    })
    void matchesPublishedCosts(String preset, double zettaFlops) {
        Cost cost = Cost.of(Presets.architecture(preset));
        assertThat(cost.publishedZettaFlops(300e9) / zettaFlops).isCloseTo(1, within(5e-5));
        assertThat(cost.publishedZettaFlops(300e9, false) / cost.publishedZettaFlops(300e9))
                .isBetween(0.75, 0.85);
        // The exact count differs by recomputation, the router and the true vocabulary.
        double router = 3 * cost.forward().router() * 300e9 / 1e21;
        assertThat(cost.zettaFlops(300e9) - router)
                .isCloseTo(cost.publishedZettaFlops(300e9, false), within(2e-3 * zettaFlops));
    }

    /** Counted by hand for a model of width 8, 2 layers, ffn 20, 3 experts of 12 on the second, top-2, one shared. */
    @Test
    void countsEveryPart() {
        ModelConfig model = new ModelConfig(2, 8, 2, 20, 16, 10, Activation.GELU, 0, 0, -1, 3, 2, 12, 1);
        Cost cost = Cost.of(new Architecture(model, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT));
        assertThat(cost.forward())
                .isEqualTo(new Cost.Forward(
                        2 * 3 * 2 * 8 * 8,
                        2 * 2 * 2 * 10 * 8,
                        2 * 2 * 8 * 8,
                        2 * 2 * 8 * 20,
                        2 * 2 * 2 * 8 * 12,
                        2 * 2 * 8 * 12,
                        2 * 8 * 3,
                        2 * 8 * 16));
        assertThat(cost.forwardFlopsPerToken()).isEqualTo(768 + 640 + 256 + 640 + 768 + 384 + 48 + 256);
        assertThat(cost.trainingFlopsPerToken()).isEqualTo(3 * 3760.0);
        int expert = 2 * 8 * 12 + 12 + 8;
        int attention = 4 * 64 + 4 * 8 + 2 * 2 * 8;
        int total = 16 * 8 + 2 * attention + (2 * 8 * 20 + 20 + 8) + (3 * 8 + 4 * expert) + 2 * 8;
        assertThat(cost.parametersTotal()).isEqualTo(total);
        assertThat(cost.parametersActive()).isEqualTo(total - expert);
    }

    /** The count equals the model's parameters. */
    @ParameterizedTest
    @CsvSource({"cpu-tiny-dense", "cpu-tiny-moe", "cpu-dense", "cpu-moe8"})
    void countsTheModelsParameters(String preset) {
        Architecture architecture = Presets.architecture(preset);
        try (LanguageModel model = LanguageModel.blank(architecture, Precision.FP32, Device.CPU)) {
            assertThat(Cost.of(architecture).parametersTotal())
                    .isEqualTo(model.parameters().elements());
        }
    }

    @Test
    void countsTheParametersOfEveryPart() {
        ModelConfig shared = TinyModels.mixture(16, 5, 3, 0);
        for (ModelConfig config : List.of(
                shared,
                shared.withEmbeddings(Positions.LEARNED, true),
                shared.withEmbeddings(Positions.SINUSOIDAL, false),
                shared.withEmbeddings(Positions.LEARNED, false))) {
            Architecture architecture = new Architecture(config, TinyModels.dropless(2), BalanceConfig.DEFAULT);
            try (LanguageModel model = LanguageModel.blank(architecture, Precision.FP32, Device.CPU)) {
                assertThat(Cost.of(architecture).parametersTotal())
                        .isEqualTo(model.parameters().elements());
            }
        }
        // Separate tables of 34 rows for positions and 24 for the output.
        ModelConfig both = shared.withEmbeddings(Positions.LEARNED, false);
        assertThat(total(both) - total(shared)).isEqualTo((34 + 24) * 16);
    }

    private static long total(ModelConfig model) {
        return Cost.of(new Architecture(model, TinyModels.dropless(2), BalanceConfig.DEFAULT))
                .parametersTotal();
    }

    @Test
    void refusesMoreParametersThanCanBeCounted() {
        ModelConfig huge = new ModelConfig(
                1 << 30, 1 << 24, 2, 1 << 30, 1 << 30, 8, Activation.GELU, 0, 0, -1, 1 << 30, 1, 1 << 30, 0);
        assertThatThrownBy(() -> Cost.of(new Architecture(huge, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT)))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("more than 9223372036854775807 parameters");
    }
}
