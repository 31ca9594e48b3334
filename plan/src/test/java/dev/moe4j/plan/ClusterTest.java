package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClusterTest {

    @Test
    void textsOverlayTheFileOverlaysWhatIsUsual(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("cluster.yaml"), "devices_per_node: 4\ninter_bandwidth: 5e9\n");
        Cluster cluster = Cluster.read("a100-80gb", 8, file, List.of("cluster.inter_bandwidth=6e9"));
        assertThat(cluster.devicesPerNode()).isEqualTo(4);
        assertThat(cluster.interBandwidth()).isEqualTo(6e9);
        assertThat(cluster.intraBandwidth()).isEqualTo(0.8 * 300e9);
    }

    /** Processes on this processor share its memory bandwidth and form one node. */
    @Test
    void thisProcessorIsMeasured() {
        Cluster cluster = Cluster.read("cpu", 2, null, List.of());
        assertThat(cluster.devicesPerNode()).isEqualTo(2);
        assertThat(cluster.memoryBandwidth()).isBetween(1e8, 1e13);
    }

    @ParameterizedTest
    @CsvSource({
        "matmul_efficiency=78, is not above 0 and at most 1",
        "devices_per_node=0, is not at least 1",
        "inter_bandwidth=0, is not above 0",
        "inter_latency=-1, must not be negative",
        "imbalance=0.5, is below 1",
        "exchanges=5, neither 4 nor 6",
        "sharding_overlap=1.5, is not a share from 0 to 1",
        "memory_reserve=1, is not a share below 1"
    })
    void whatCannotBeIsRefused(String text, String message) {
        assertThatThrownBy(() -> Cluster.read("h100-sxm", 8, null, List.of("cluster." + text)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("cluster." + text.substring(0, text.indexOf('=')))
                .hasMessageContaining(message);
    }

    @Test
    void unknownKeysAndDevicesAreNamed(@TempDir Path folder) throws IOException {
        assertThatThrownBy(() -> Cluster.read("h100-sxm", 8, null, List.of("cluster.inter_bandwith=1")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("--set cluster.inter_bandwith=1: unknown key cluster.inter_bandwith")
                .hasMessageContaining("did you mean cluster.inter_bandwidth?");
        assertThatThrownBy(() -> Cluster.read("tpu", 8, null, List.of()))
                .hasMessageContaining("no device is called 'tpu'; there are a100-80gb");
        Path file = Files.writeString(folder.resolve("cluster.yaml"), "gpus: 4\n");
        assertThatThrownBy(() -> Cluster.read("h100-sxm", 8, file, List.of()))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("cluster.yaml:1")
                .hasMessageContaining("unknown key gpus");
    }
}
