package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.RoutingCounts;
import dev.moe4j.train.config.CheckpointPolicy;
import dev.moe4j.train.config.EvaluationConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.config.WatchConfig;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class WatchTest {

    private static final WatchConfig SPIKES = new WatchConfig(1, 3, 0, 0);

    private static SpikeGuard trained() {
        SpikeGuard guard = new SpikeGuard(SPIKES);
        for (int step = 1; step <= 50; step++) {
            assertThat(guard.accepts(step, 4 - 0.01 * step, 1 + 0.1 * (step % 2)))
                    .isTrue();
        }
        return guard;
    }

    @Test
    void spikesAreRefusedAndDoNotMoveTheMean() {
        SpikeGuard guard = trained();
        double mean = guard.state().loss();
        assertThat(guard.accepts(51, mean + 1.01, 1)).isFalse();
        assertThat(guard.accepts(52, mean, 3.5)).isFalse();
        assertThat(guard.state().loss()).isEqualTo(mean);
        assertThat(guard.state().refused()).isEqualTo(2);
        assertThat(guard.accepts(53, mean + 0.5, 2)).isTrue();
        assertThat(guard.state().refused()).isZero();
    }

    @Test
    void aRestoredGuardDecidesAlike() {
        SpikeGuard guard = trained();
        SpikeGuard other = new SpikeGuard(SPIKES);
        other.restore(guard.state());
        for (int step = 51; step < 60; step++) {
            double loss = 3.5 + (step % 3);
            assertThat(other.accepts(step, loss, 1)).isEqualTo(guard.accepts(step, loss, 1));
        }
        assertThat(other.state()).isEqualTo(guard.state());
    }

    @Test
    void tooManyInARowEndTheRun() {
        SpikeGuard guard = trained();
        for (int i = 1; i < SpikeGuard.MAX_CONSECUTIVE_SKIPS; i++) {
            assertThat(guard.accepts(50 + i, 99, 1)).isFalse();
        }
        assertThatThrownBy(() -> guard.accepts(100, 99, 1))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("step 100")
                .hasMessageContaining("99");
    }

    @Test
    void withoutThresholdsEverythingPasses() {
        SpikeGuard guard = new SpikeGuard(WatchConfig.DEFAULT);
        for (int step = 1; step < 60; step++) {
            assertThat(guard.accepts(step, step % 7 == 0 ? 1e6 : 1, step % 5 == 0 ? 1e9 : 1))
                    .isTrue();
        }
    }

    private static List<LayerRouting> routing(double[]... loads) {
        List<LayerRouting> layers = new ArrayList<>();
        for (double[] load : loads) {
            RoutingCounts counts = new RoutingCounts(4, new double[1][load.length], new double[1], new double[1], load);
            layers.add(new LayerRouting(2 * layers.size() + 1, 1, 1, load, counts));
        }
        return layers;
    }

    @Test
    void deadAndBusyExpertsAreNamedAtTheEndOfAWindow() {
        ExpertLoadMonitor watch = new ExpertLoadMonitor(new WatchConfig(0, 0, 2, 3));
        double[] even = {1, 1, 1, 1};
        double[] skewed = {0, 3, 1, 0};
        assertThat(watch.step(routing(even, skewed))).isEmpty();
        assertThat(watch.step(routing(even, skewed))).isEmpty();
        assertThat(watch.step(routing(even, new double[] {0, 3, 0.5, 0.5})))
                .containsExactly(
                        "layer 3: 1 of 4 experts received no token in the last 3 steps (0)",
                        "layer 3: expert 1 received 3.0 times an even share of the tokens of the last 3 steps");
        for (int step = 0; step < 3; step++) {
            assertThat(watch.step(routing(even, even))).isEmpty();
        }
    }

    @Test
    void denseModelsAndAWindowOfNothingAreSilent() {
        assertThat(new ExpertLoadMonitor(WatchConfig.DEFAULT).step(List.of())).isEmpty();
        ExpertLoadMonitor off = new ExpertLoadMonitor(new WatchConfig(0, 0, 1, 0));
        assertThat(off.step(routing(new double[] {0, 2}))).isEmpty();
    }

    @Test
    void settingsThatMakeNoSenseAreRefused() {
        assertThatThrownBy(() -> new WatchConfig(-1, 0, 0, 0)).hasMessageContaining("watch");
        assertThatThrownBy(() -> new CheckpointPolicy(-1, 0, 0, true)).hasMessageContaining("checkpoint");
        assertThatThrownBy(() -> new EvaluationConfig(1, 0, java.util.Map.of("Wiki!", java.nio.file.Path.of("x")), 0))
                .hasMessageContaining("'Wiki!' is not a valid name");
    }
}
