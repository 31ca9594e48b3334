package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checks the numbers of docs/scaling.md, so that a change of the model also changes the page. */
class ScalingTest {

    /** The published configurations: modelled seconds, and the additional time of their one-hot dispatch. */
    @ParameterizedTest
    @CsvSource({
        "A, moe-1.1t, 64, 1024, 12, 64, a100-80gb, 5e9, 8.00, 1.139, 82000, 0.223",
        "A usual, moe-1.1t, 64, 1024, 12, 64, a100-80gb, 20e9, 5.35, 1.139, 82000, 0.223",
        "B, moe-1.1t, 512, 1024, 12, 512, a100-80gb, 5e9, 8.56, 1.139, 638000, 0.218",
        "C, moe-207b, 8, 2048, 4, 8, a100-80gb, 20e9, 1.05, 0.190, 35000, 0.161",
        "D, moe-207b, 8, 2048, 4, 8, v100-32gb, 5e9, 2.58, 0.506, 16600, 0.191"
    })
    void publishedThroughput(
            String name,
            String preset,
            int experts,
            int context,
            int sequences,
            int devices,
            String deviceName,
            double network,
            double modelled,
            double oneHot,
            double tokensPerSecond,
            double utilization) {
        Accelerator device = Accelerator.named(deviceName, Precision.FP16);
        Cluster cluster = Cluster.read(
                deviceName, devices, null, List.of("cluster.exchanges=6", "cluster.inter_bandwidth=" + network));
        Plan.Request request = new Plan.Request(1e9, deviceName, devices, devices, Sharding.PARAMETERS, sequences, 0);
        RunConfig run = RunConfig.read(
                preset,
                List.of(
                        "model.experts=" + experts,
                        "model.context=" + context,
                        "batch.sequences=" + sequences * devices,
                        "batch.accumulation=1",
                        "precision=fp16"));
        Plan plan = Plan.onCluster(run, request, cluster, Recompute.FULL);
        ClusterPlan found = Objects.requireNonNull(plan.cluster());
        assertThat(found.considered()).isEqualTo(1);
        assertThat(found.secondsPerUpdate()).as(name).isCloseTo(modelled, within(0.005));
        double tokens = (double) sequences * context;
        double products =
                7 * 2 * tokens * 2 * tokens * run.model().width() * run.model().moeLayers();
        assertThat(products / (device.flopsPerSecond() * cluster.matmulEfficiency()))
                .isCloseTo(oneHot, within(0.0005));
        double useful = Cost.of(run.architecture()).trainingFlopsPerToken() * tokensPerSecond;
        assertThat(useful / (devices * device.flopsPerSecond())).isCloseTo(utilization, within(0.0005));
    }

    @ParameterizedTest
    @CsvSource({
        "256, h200, 256, PARAMETERS, 4, SELECTIVE, 1.342",
        "512, a100-80gb, 512, PARAMETERS, 2, SELECTIVE, 1.815",
        "512, h100-sxm, 512, PARAMETERS, 2, SELECTIVE, 0.830",
        "512, h200, 512, PARAMETERS, 2, NONE, 0.678",
        "1024, a100-80gb, 512, GRADIENTS, 1, NONE, 1.132",
        "1024, h100-sxm, 512, GRADIENTS, 1, NONE, 0.642"
    })
    void recommendations(
            int devices,
            String device,
            int expertParallel,
            Sharding shard,
            int microBatch,
            Recompute recompute,
            double seconds) {
        Plan plan = onCluster(devices, device);
        assertThat(plan.layout())
                .isEqualTo(DeviceLayout.of(devices, expertParallel, shard, 1024 / devices, microBatch, recompute));
        assertThat(plan.effort().secondsPerUpdate()).isCloseTo(seconds, within(0.0005));
    }

    /** The worked examples. */
    @Test
    void terms() {
        StepTime time =
                Objects.requireNonNull(onCluster(512, "a100-80gb").cluster()).time();
        assertThat(new double[] {
                    time.products(),
                    time.attention(),
                    time.experts(),
                    time.head(),
                    time.elementwise(),
                    time.recomputation(),
                    time.exchange(),
                    time.sharding(),
                    time.optimizer()
                })
                .containsExactly(
                        new double[] {0.437, 0.054, 0.434, 0.025, 0.292, 0.188, 0.276, 0.335, 0.042}, within(0.0005));
    }

    private static Plan onCluster(int devices, String device) {
        Plan.Request request = new Plan.Request(300e9, device, devices, null, null, null, 480);
        return Plan.onCluster(
                RunConfig.read("moe-1.1t", List.of()), request, Cluster.read(device, devices, null, List.of()), null);
    }
}
