package dev.moe4j.bench;

import dev.moe4j.model.Activation;
import dev.moe4j.model.Architecture;
import dev.moe4j.model.BalanceConfig;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.model.RoutingConfig;
import java.util.List;

final class CpuPresets {
    static final int SEQUENCES = 16;
    static final List<String> NAMES = List.of("cpu-dense", "cpu-moe8", "cpu-moe32", "cpu-moe128");

    private CpuPresets() {}

    static Architecture of(String name) {
        if (name.equals("cpu-tiny-moe")) {
            return new Architecture(
                    new ModelConfig(4, 64, 4, 256, 2048, 64, Activation.GELU, 0, 0, -1, 8, 2, 256, 0),
                    RoutingConfig.DEFAULT,
                    BalanceConfig.DEFAULT);
        }
        int experts = name.equals("cpu-dense") ? 0 : Integer.parseInt(name.substring("cpu-moe".length()));
        return new Architecture(
                new ModelConfig(6, 256, 4, 1024, 8192, 256, Activation.GELU, 0, 0, -1, experts, 2, 1024, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
    }
}
