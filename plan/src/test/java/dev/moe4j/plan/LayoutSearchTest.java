package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayoutSearchTest {

    private static final LayoutSearch.Constraints NOTHING = new LayoutSearch.Constraints(null, null, null, null);

    private static Architecture architecture(String preset) {
        return RunConfig.read(preset, List.of()).architecture();
    }

    private static LayoutSearch search(String preset, Cluster cluster) {
        return search(preset, "a100-80gb", cluster);
    }

    private static LayoutSearch search(String preset, String device, Cluster cluster) {
        return new LayoutSearch(
                architecture(preset), Precision.BF16, Accelerator.named(device, Precision.BF16), cluster);
    }

    private static Cluster a100(String... overrides) {
        return Cluster.read("a100-80gb", 8, null, List.of(overrides));
    }

    /** Every listed layout fits, and the recommended one is the fastest of all that fit. */
    @ParameterizedTest
    @ValueSource(ints = {512, 1024})
    void theRecommendedLayoutIsTheFastestThatFits(int devices) {
        LayoutSearch.Recommendation found = search("moe-1.1t", a100()).recommend(devices, 1024, NOTHING);
        ClusterPlan plan = found.plan();
        assertThat(plan.layouts()).hasSize(plan.fitting()).allSatisfy(row -> {
            assertThat(row.memory()).isLessThanOrEqualTo(plan.usableMemory());
            assertThat(row.secondsPerUpdate()).isGreaterThanOrEqualTo(plan.secondsPerUpdate());
        });
        assertThat(plan.fitting()).isPositive().isLessThan(plan.considered());
        assertThat(plan.usableMemory()).isLessThan(80L << 30);
        MemoryUse memory = MemoryUse.of(architecture("moe-1.1t"), Precision.BF16, found.layout(), true);
        assertThat(memory.total())
                .isEqualTo(plan.layouts().getFirst().memory())
                .isLessThanOrEqualTo(plan.usableMemory());
        assertThat(plan.alternatives())
                .filteredOn(ClusterPlan.Alternative::fits)
                .allSatisfy(
                        other -> assertThat(other.secondsPerUpdate()).isGreaterThanOrEqualTo(plan.secondsPerUpdate()));
        assertThat(plan.alternatives())
                .filteredOn(other -> !other.fits())
                .isNotEmpty()
                .allSatisfy(other -> assertThat(other.memory()).isGreaterThan(plan.usableMemory()));
    }

    @Test
    void moreDevicesAreFasterAndLessEfficient() {
        List<Double> rates = new ArrayList<>();
        for (int devices : List.of(256, 512, 1024)) {
            rates.add(search("moe-1.1t", "h200", Cluster.read("h200", devices, null, List.of()))
                    .recommend(devices, 1024, NOTHING)
                    .plan()
                    .tokensPerSecond());
        }
        assertThat(rates).isSorted();
        assertThat(rates.get(2) / 1024).isLessThan(rates.get(1) / 512).isLessThan(rates.get(0) / 256);
    }

    @Test
    void whatIsFixedIsKept() {
        DeviceLayout layout = search("moe-52b", a100())
                .recommend(64, 256, new LayoutSearch.Constraints(32, Sharding.OPTIMIZER, 2, Recompute.FULL))
                .layout();
        assertThat(layout).isEqualTo(DeviceLayout.of(64, 32, Sharding.OPTIMIZER, 4, 2, Recompute.FULL));
        assertThat(layout.dataParallel()).isEqualTo(2);
        assertThat(layout.accumulation()).isEqualTo(2);
    }

    /** With many tokens and few experts, a slow network keeps the exchange within the node. */
    @Test
    void aSlowNetworkKeepsTokensInTheNode() {
        Architecture few =
                RunConfig.read("moe-15b", List.of("model.experts=64")).architecture();
        Accelerator device = Accelerator.named("a100-80gb", Precision.BF16);
        LayoutSearch search = new LayoutSearch(few, Precision.BF16, device, a100("cluster.inter_bandwidth=2e8"));
        assertThat(search.recommend(64, 4096, NOTHING).layout().expertParallel())
                .isLessThanOrEqualTo(8);
    }

    @Test
    void dealsWithDenseModels() {
        DeviceLayout layout =
                search("dense-1.3b", a100()).recommend(64, 512, NOTHING).layout();
        assertThat(layout.expertParallel()).isEqualTo(1);
    }

    @Test
    void whatCannotBeSaysWhy() {
        assertThatThrownBy(() -> search("moe-1.1t", a100()).recommend(64, 1024, NOTHING))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("none of 420 layouts fits into the 73.6 GiB that each of 64 x a100-80gb has")
                .hasMessageContaining(
                        "the smallest (expert parallel 64, shard parameters, micro-batch 1, recompute full)")
                .hasMessageContaining("use more or larger devices");
        assertThatThrownBy(() -> search("moe-1.1t", a100()).recommend(768, 1024, NOTHING))
                .hasMessageContaining("1024 sequences cannot be shared evenly by 768 devices")
                .hasMessageContaining("set batch.sequences=1536");
        assertThatThrownBy(() -> search("moe-1.1t", a100()).recommend(12, 1200, NOTHING))
                .hasMessageContaining("12 devices do not fill nodes of 8");
    }
}
