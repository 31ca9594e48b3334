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
 * How devices are connected, and what of their peaks is reached: every assumption of the {@linkplain StepTime model of a
 * step's time}, each a key of a cluster file and of {@code --set cluster.KEY=VALUE}. Rates are those that are reached, not
 * a data sheet's. docs/scaling.md says where each default comes from.
 *
 * @param devicesPerNode devices that are connected faster to each other than to the rest
 * @param matmulEfficiency share of the device's peak in large matrix products
 * @param attentionEfficiency share of the peak in fused attention, of the half of the scores that the mask leaves
 * @param memoryBandwidth bytes per second that a device reads and writes in its own memory
 * @param intraBandwidth bytes per second that a device sends to the others of its node, and receives at the same time
 * @param interBandwidth bytes per second that a device sends to other nodes, and receives at the same time
 * @param intraLatency seconds that each message within a node takes beside its bytes
 * @param interLatency seconds that each message between nodes takes beside its bytes
 * @param imbalance tokens of the busiest device's experts over the mean, where experts have no capacity
 * @param exchanges of tokens per layer with experts and micro-batch: 4 are dispatch and combine, forward and backward; 6
 *     where the backward pass repeats those of the forward pass, as in the published system
 * @param exchangeOverlap share of the exchange of tokens that runs beside the experts' products
 * @param shardingOverlap share of gathers and gradient reductions that runs beside forward and backward pass
 * @param memoryReserve share of a device's memory that tensors may not take: libraries, buffers, fragmentation
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

    /** What links and memories give of their data sheets' rates. */
    private static final double LINK_SHARE = 0.8;

    private static final double MEMORY_SHARE = 0.85;

    /** What two processes measured over the loopback: docs/log.md, 2026-11-24. */
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
                    "cluster.exchanges: " + exchanges + " is neither 4 nor 6, with those of recomputation");
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

    /** The keys of {@code --set cluster.…}. */
    private record Keys(Cluster cluster) {}

    /**
     * The usual cluster of a device, overlaid by a file and by texts.
     *
     * @param device a name of {@link Accelerator}
     * @param devices how many; as processes they share the processor that {@code cpu} is
     * @param file YAML with some of the keys, or null for none
     * @param overrides texts {@code cluster.key=value}
     */
    public static Cluster read(String device, int devices, @Nullable Path file, List<String> overrides) {
        Cluster cluster = ConfigReader.read(usual(device, devices), file, List.of());
        return ConfigReader.read(new Keys(cluster), null, overrides).cluster();
    }

    /** The machines that the device is mostly sold in. */
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
     * Eight devices to a node.
     *
     * @param memory bytes per second by the data sheet
     * @param link the same of NVLink, in one direction
     * @param network the same of a device's share of the adapters
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

    /** What this processor reads and writes when it copies more than its caches hold. */
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
