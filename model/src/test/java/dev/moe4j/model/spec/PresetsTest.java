package dev.moe4j.model.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.cost.Cost;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PresetsTest {

    /** A preset's name contains its size in billions of parameters. */
    @ParameterizedTest
    @CsvSource({
        "dense-125m, 0.123, 0.126",
        "dense-355m, 0.35, 0.36",
        "dense-760m, 0.75, 0.77",
        "dense-1.3b, 1.3, 1.35",
        "dense-2.7b, 2.6, 2.7",
        "dense-6.7b, 6.6, 6.8",
        "dense-13b, 12.8, 13",
        "dense-175b, 174, 176",
        "moe-15b, 14.5, 15.5",
        "moe-52b, 51, 53",
        "moe-207b, 206, 208",
        "moe-1.1t, 1100, 1110",
        "modern-dense-80m, 0.075, 0.085",
        "modern-dense-200m, 0.18, 0.21",
        "modern-dense-1b, 0.9, 1.1",
        "modern-moe-400m-a80m, 0.38, 0.42",
        "modern-moe-1b-a200m, 0.95, 1.1",
        "modern-moe-7b-a1b, 6.8, 7.3"
    })
    void sizeMatchesName(String name, double least, double most) {
        assertThat(Cost.of(Presets.architecture(name)).parametersTotal() / 1e9).isBetween(least, most);
    }

    @Test
    void publishedMixturesRouteAsPublished() {
        Architecture moe = Presets.architecture("moe-52b");
        assertThat(moe.model().experts()).isEqualTo(512);
        assertThat(moe.model().isMoeLayer(0)).isFalse();
        assertThat(moe.model().isMoeLayer(1)).isTrue();
        assertThat(moe.model().vocabulary()).isEqualTo(50264);
        assertThat(moe.model().context()).isEqualTo(2048);
        assertThat(moe.routing().strategy()).isEqualTo(RoutingConfig.Strategy.CAPACITY);
        assertThat(moe.routing().topK()).isEqualTo(2);
        assertThat(moe.balance().scope()).isEqualTo(BalanceConfig.Scope.GROUP);
    }

    /** Apart from experts, a token passes through the same layers in the mixture as in its dense twin. */
    @ParameterizedTest
    @CsvSource({"cpu-tiny-dense, cpu-tiny-moe", "cpu-dense, cpu-moe8", "cpu-dense, cpu-moe128", "dense-6.7b, moe-1.1t"})
    void mixturesHaveDenseTwins(String dense, String mixture) {
        Cost.Forward a = Cost.of(Presets.architecture(dense)).forward();
        Cost.Forward b = Cost.of(Presets.architecture(mixture)).forward();
        assertThat(b.qkv()).isEqualTo(a.qkv());
        assertThat(b.head()).isEqualTo(a.head());
        assertThat(b.ffn()).isEqualTo(a.ffn() / 2);
        assertThat(b.experts()).isEqualTo(a.ffn());
    }

    @ParameterizedTest
    @CsvSource({
        "modern-moe-400m-a80m, modern-dense-80m, 0.075, 0.085",
        "modern-moe-1b-a200m, modern-dense-200m, 0.18, 0.21",
        "modern-moe-7b-a1b, modern-dense-1b, 0.9, 1.1"
    })
    void modernMixturesActivateWhatTheirNamesSay(String mixture, String dense, double least, double most) {
        Cost moe = Cost.of(Presets.architecture(mixture));
        assertThat(moe.parametersActive() / 1e9).isBetween(least, most);
        assertThat(moe.forwardFlopsPerToken()
                        / Cost.of(Presets.architecture(dense)).forwardFlopsPerToken())
                .isBetween(0.99, 1.01);
    }

    @ParameterizedTest
    @CsvSource({
        "cpu-modern-dense, cpu-dense",
        "cpu-modern-moe8, cpu-moe8",
        "cpu-modern-moe32, cpu-moe32",
        "cpu-modern-moe128, cpu-moe128"
    })
    void modernSmallOnesCostWhatTheOthersDo(String modern, String other) {
        double flops = Cost.of(Presets.architecture(modern)).forwardFlopsPerToken();
        assertThat(flops / Cost.of(Presets.architecture(other)).forwardFlopsPerToken())
                .isBetween(0.99, 1.01);
    }

    @Test
    void smallOnesHaveTheSizesOfTheBenchmarks() {
        ModelConfig tiny = Presets.architecture("cpu-tiny-moe").model();
        assertThat(tiny.width()).isEqualTo(64);
        assertThat(tiny.layers()).isEqualTo(4);
        assertThat(tiny.heads()).isEqualTo(4);
        assertThat(tiny.context()).isEqualTo(64);
        assertThat(tiny.experts()).isEqualTo(8);
        ModelConfig moe = Presets.architecture("cpu-moe32").model();
        assertThat(moe.width()).isEqualTo(256);
        assertThat(moe.layers()).isEqualTo(6);
        assertThat(moe.ffn()).isEqualTo(1024);
        assertThat(moe.expertFfn()).isEqualTo(1024);
        assertThat(moe.vocabulary()).isEqualTo(8192);
        assertThat(moe.moeLayers()).isEqualTo(3);
        assertThat(Presets.architecture("cpu-moe32").routing()).isEqualTo(RoutingConfig.DEFAULT);
    }

    @Test
    void unknownNameListsTheNearest() {
        assertThatThrownBy(() -> Presets.architecture("moe-53b"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("no preset is called 'moe-53b'; the nearest are moe-52b");
        assertThatThrownBy(() -> Presets.architecture("x"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("there are cpu-tiny-dense, cpu-tiny-moe");
        assertThat(Presets.names()).hasSize(30);
    }
}
