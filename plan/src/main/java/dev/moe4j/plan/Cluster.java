package dev.moe4j.plan;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.train.config.TrainException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How devices are connected, and which part of their peaks is reached: every assumption of the {@linkplain StepTime
 * step time model}. Each one is a key of a cluster file and of {@code cluster.KEY=VALUE} overrides. Rates are achieved
 * rates, not those of a data sheet. docs/scaling.md gives the source of each default.
 *
 * @param devicesPerNode devices in a node, which are connected to each other faster than to the rest
 * @param matmulEfficiency share of the device's peak reached by large matrix products
 * @param attentionEfficiency share of the peak reached by fused attention, counting the unmasked half of the scores
 * @param memoryBandwidth bytes per second that a device reads and writes in its own memory
 * @param intraBandwidth bytes per second that a device sends within its node; it receives at the same rate at the same
 *     time
 * @param interBandwidth bytes per second that a device sends to other nodes; it receives at the same rate at the same
 *     time
 * @param intraLatency latency of a message within a node, in seconds
 * @param interLatency latency of a message between nodes, in seconds
 * @param imbalance tokens of the busiest device's experts over the mean, for experts without a capacity
 * @param exchanges all-to-all exchanges per MoE layer and micro-batch: 4 for dispatch and combine, forward and
 *     backward; 6 if recomputation in the backward pass repeats the forward ones, as in the published system
 * @param exchangeOverlap share of the all-to-all exchanges that overlaps the experts' products
 * @param shardingOverlap share of parameter gathers and gradient reductions that overlaps the forward and backward pass
 * @param memoryReserve share of a device's memory that is not available to tensors: libraries, buffers, fragmentation
 */
public record Cluster(
        int devicesPerNode,
        double matmulEfficiency,
        double attentionEfficiency,
        double memoryBandwidth,
        double intraBandwidth,
        double interBandwidth,
        double intraLatency,
        double interLatency,
        double imbalance,
        int exchanges,
        double exchangeOverlap,
        double shardingOverlap,
        double memoryReserve) {

    /** Share of the data sheet's link bandwidth that is reached. */
    private static final double LINK_SHARE = 0.8;

    private static final double MEMORY_SHARE = 0.85;

    /** Measured between two processes over the loopback interface: docs/log.md, 2026-11-24. */
    private static final double LOOPBACK_BANDWIDTH = 1.2e9;

    private static final double LOOPBACK_LATENCY = 70e-6;

    private static final long COPIED_BYTES = 128L << 20;
    private static final int COPIES = 5;

    public Cluster {
        if (devicesPerNode < 1) {
            throw new TrainException("cluster.devices_per_node: " + devicesPerNode + " is not at least 1");
        }
        share("matmul_efficiency", matmulEfficiency, 1);
        share("attention_efficiency", attentionEfficiency, 1);
        positive("memory_bandwidth", memoryBandwidth);
        positive("intra_bandwidth", intraBandwidth);
        positive("inter_bandwidth", interBandwidth);
        notNegative("intra_latency", intraLatency);
        notNegative("inter_latency", interLatency);
        if (!(imbalance >= 1) || Double.isInfinite(imbalance)) {
            throw new TrainException("cluster.imbalance: " + imbalance + " is below 1, which is perfect balance");
        }
        if (exchanges != 4 && exchanges != 6) {
            throw new TrainException(
                    "cluster.exchanges: " + exchanges + " is neither 4 nor 6 (6 includes those of recomputation)");
        }
        overlap("exchange_overlap", exchangeOverlap);
        overlap("sharding_overlap", shardingOverlap);
        if (!(memoryReserve >= 0 && memoryReserve < 1)) {
            throw new TrainException("cluster.memory_reserve: " + memoryReserve + " is not a share below 1");
        }
    }

    private static void share(String key, double value, double most) {
        if (!(value > 0 && value <= most)) {
            throw new TrainException("cluster." + key + ": " + value + " is not above 0 and at most " + most);
        }
    }

    private static void positive(String key, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new TrainException("cluster." + key + ": " + value + " is not above 0");
        }
    }

    private static void notNegative(String key, double value) {
        if (!(value >= 0) || Double.isInfinite(value)) {
            throw new TrainException("cluster." + key + ": " + value + " must not be negative");
        }
    }

    private static void overlap(String key, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new TrainException("cluster." + key + ": " + value + " is not a share from 0 to 1");
        }
    }

    /** Wraps the cluster, so that overrides begin with {@code cluster.}. */
    private record Keys(Cluster cluster) {}

    /**
     * Reads a cluster: the default for a device, changed by a file and by overrides.
     *
     * @param device a name of {@link Accelerator}
     * @param devices number of devices; if the device is {@code cpu}, this many processes share the processor
     * @param file YAML with some of the keys; null for none
     * @param overrides strings {@code cluster.key=value}
     * @throws TrainException if the device is not known or a value is out of range
     */
    public static Cluster read(String device, int devices, @Nullable Path file, List<String> overrides) {
        Cluster cluster = ConfigReader.read(usual(device, devices), file, List.of());
        return ConfigReader.read(new Keys(cluster), null, overrides).cluster();
    }

    /** The machine that the device is usually sold in. */
    private static Cluster usual(String device, int devices) {
        return switch (device) {
            // Eight devices, NVLink 3, one HDR InfiniBand adapter of 200 Gbit/s each.
            case "a100-80gb" -> nvidia(0.78, 2039e9, 300e9, 25e9);
            // Eight devices, NVLink 4, one NDR InfiniBand adapter of 400 Gbit/s each.
            case "h100-sxm" -> nvidia(0.73, 3350e9, 450e9, 50e9);
            case "h200" -> nvidia(0.73, 4800e9, 450e9, 50e9);
            // Eight devices, NVLink 2, four EDR InfiniBand adapters of 100 Gbit/s.
            case "v100-32gb" -> nvidia(0.73, 900e9, 150e9, 6.25e9);
            case Accelerator.CPU ->
                new Cluster(
                        devices,
                        1,
                        1,
                        measuredMemoryBandwidth() / devices,
                        LOOPBACK_BANDWIDTH,
                        LOOPBACK_BANDWIDTH,
                        LOOPBACK_LATENCY,
                        LOOPBACK_LATENCY,
                        1.1,
                        4,
                        0,
                        0,
                        0.1);
            default -> throw Accelerator.unknown(device);
        };
    }

    /**
     * A node of eight devices.
     *
     * @param memory memory bandwidth by the data sheet, in bytes per second
     * @param link NVLink bandwidth by the data sheet in one direction, in bytes per second
     * @param network a device's share of the node's network bandwidth, in bytes per second
     */
    private static Cluster nvidia(double matmulEfficiency, double memory, double link, double network) {
        return new Cluster(
                8,
                matmulEfficiency,
                0.5,
                memory * MEMORY_SHARE,
                link * LINK_SHARE,
                network * LINK_SHARE,
                1e-6,
                2e-6,
                1.1,
                4,
                0,
                0.8,
                0.08);
    }

    /** Measures this processor's memory bandwidth by copying more than its caches hold. */
    private static double measuredMemoryBandwidth() {
        try (Scope _ = Scope.open()) {
            Tensor from = Tensor.zeros(DType.FLOAT32, Device.CPU, COPIED_BYTES / DType.FLOAT32.bytes());
            Tensor into = from.emptyLike();
            long best = Long.MAX_VALUE;
            for (int i = 0; i < COPIES; i++) {
                long start = System.nanoTime();
                into.copy(from);
                best = Math.min(best, System.nanoTime() - start);
            }
            return 2.0 * COPIED_BYTES / best * 1e9;
        }
    }
}
