package dev.moe4j.plan;

import dev.moe4j.model.cost.MemoryEstimate;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.TrainException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Finds the fastest layout of a run on a cluster by {@link StepTime}, among those that fit into the devices' memory by
 * {@link MemoryUse}. It tries every expert parallelism that divides devices and experts, every level of sharding, every
 * micro-batch that divides a device's sequences, and every kind of activation recomputation.
 */
final class LayoutSearch {

    private final Architecture architecture;
    private final ParameterCounts parameters;
    private final Precision precision;
    private final Accelerator device;
    private final Cluster cluster;

    LayoutSearch(Architecture architecture, Precision precision, Accelerator device, Cluster cluster) {
        this.architecture = architecture;
        this.parameters = ParameterCounts.of(architecture);
        this.precision = precision;
        this.device = device;
        this.cluster = cluster;
    }

    /**
     * The choices that the user made, which are not searched.
     *
     * @param expertParallel expert parallelism; null, like the others, to search
     */
    record Constraints(
            @Nullable Integer expertParallel,
            @Nullable Sharding shard,
            @Nullable Integer microBatch,
            @Nullable Recompute recompute) {}

    /** The fastest layout that fits, and the reasons. */
    record Recommendation(DeviceLayout layout, ClusterPlan plan) {}

    /** A layout with its modelled time and memory. */
    record Candidate(DeviceLayout layout, StepTime time, MemoryUse memory) {}

    /**
     * Recommends the fastest layout that fits.
     *
     * @param sequences sequences of an update, over all devices
     * @throws TrainException if devices, sequences and experts do not divide evenly, or no layout fits
     */
    Recommendation recommend(int devices, int sequences, Constraints fixed) {
        List<Candidate> all = candidates(devices, sequences, fixed);
        double usable = device.memoryBytes() * (1 - cluster.memoryReserve());
        List<Candidate> fitting = all.stream()
                .filter(candidate -> candidate.memory().total() <= usable)
                .sorted(Comparator.comparingDouble(
                                (Candidate candidate) -> candidate.time().total())
                        .thenComparingLong(candidate -> candidate.memory().total()))
                .toList();
        if (fitting.isEmpty()) {
            Candidate least = smallest(all);
            throw new TrainException(
                    "plan: none of %d layouts fits into the %.1f GiB that each of %d x %s has for tensors, and the smallest (%s) takes %.1f GiB; use more or larger devices"
                            .formatted(
                                    all.size(),
                                    gib(usable),
                                    devices,
                                    device.name(),
                                    describe(least.layout()),
                                    gib((double) least.memory().total())));
        }
        Candidate best = fitting.getFirst();
        double tokens = (double) sequences * architecture.model().context();
        ClusterPlan plan = new ClusterPlan(
                cluster,
                Math.round(usable),
                all.size(),
                fitting.size(),
                best.time(),
                best.time().total(),
                tokens / best.time().total(),
                alternatives(best, all, fitting),
                fitting.stream().map(candidate -> row(candidate, tokens)).toList());
        return new Recommendation(best.layout(), plan);
    }

    private List<Candidate> candidates(int devices, int sequences, Constraints fixed) {
        ModelConfig model = architecture.model();
        if (devices > cluster.devicesPerNode() && devices % cluster.devicesPerNode() != 0) {
            throw new TrainException("plan: " + devices + " devices do not fill nodes of " + cluster.devicesPerNode()
                    + "; use a multiple of it, or set cluster.devices_per_node=N");
        }
        if (sequences % devices != 0) {
            throw new TrainException("plan: an update's " + sequences + " sequences cannot be shared evenly by "
                    + devices + " devices; use a number of devices that divides them, or set batch.sequences="
                    + Math.ceilDiv(sequences, devices) * devices + " and batch.accumulation=1");
        }
        int each = sequences / devices;
        List<Integer> degrees = fixed.expertParallel() != null
                ? List.of(fixed.expertParallel())
                : divisors(devices)
                        .filter(degree -> degree == 1 || (model.experts() > 0 && model.experts() % degree == 0))
                        .boxed()
                        .toList();
        List<Sharding> levels = fixed.shard() != null
                ? List.of(fixed.shard())
                : devices == 1 ? List.of(Sharding.NONE) : List.of(Sharding.values());
        List<Integer> batches = fixed.microBatch() != null
                ? List.of(fixed.microBatch())
                : divisors(each).boxed().toList();
        List<Recompute> kinds = fixed.recompute() != null ? List.of(fixed.recompute()) : List.of(Recompute.values());
        List<Candidate> all = new ArrayList<>();
        for (int degree : degrees) {
            for (int batch : batches) {
                for (Recompute kind : kinds) {
                    MemoryEstimate.Load load =
                            new MemoryEstimate.Load(Math.min(batch, each), degree, !device.isCpu(), kind);
                    MemoryEstimate whole = MemoryEstimate.of(architecture, precision, load);
                    for (Sharding level : levels) {
                        DeviceLayout layout = DeviceLayout.of(devices, degree, level, each, load.sequences(), kind);
                        all.add(new Candidate(
                                layout,
                                StepTime.of(architecture, parameters, precision, device, cluster, layout),
                                MemoryUse.of(whole, model, parameters, precision, layout)));
                    }
                }
            }
        }
        return all;
    }

    private static IntStream divisors(int number) {
        return IntStream.rangeClosed(1, number).filter(candidate -> number % candidate == 0);
    }

    private static Candidate smallest(List<Candidate> candidates) {
        return candidates.stream()
                .min(Comparator.comparingLong(candidate -> candidate.memory().total()))
                .orElseThrow();
    }

    // The reasons

    /** For each choice of the recommended layout, the best layout that chose otherwise. */
    private static List<ClusterPlan.Alternative> alternatives(
            Candidate best, List<Candidate> all, List<Candidate> fitting) {
        List<ClusterPlan.Alternative> found = new ArrayList<>();
        found.addAll(alternatives("expert parallel", DeviceLayout::expertParallel, best, all, fitting));
        found.addAll(alternatives("shard", DeviceLayout::shard, best, all, fitting));
        found.addAll(alternatives("micro-batch", DeviceLayout::microBatch, best, all, fitting));
        found.addAll(alternatives("recompute", DeviceLayout::recompute, best, all, fitting));
        return found;
    }

    private static List<ClusterPlan.Alternative> alternatives(
            String choice,
            Function<DeviceLayout, Object> of,
            Candidate best,
            List<Candidate> all,
            List<Candidate> fitting) {
        Object chosen = of.apply(best.layout());
        return all.stream()
                .map(candidate -> of.apply(candidate.layout()))
                .distinct()
                .filter(value -> !value.equals(chosen))
                .map(value -> {
                    Optional<Candidate> fastest = fitting.stream()
                            .filter(candidate -> of.apply(candidate.layout()).equals(value))
                            .findFirst();
                    Candidate shown = fastest.orElseGet(() -> smallest(all.stream()
                            .filter(candidate -> of.apply(candidate.layout()).equals(value))
                            .toList()));
                    return new ClusterPlan.Alternative(
                            choice,
                            value.toString(),
                            fastest.isPresent(),
                            shown.time().total(),
                            shown.memory().total());
                })
                .toList();
    }

    private static ClusterPlan.Row row(Candidate candidate, double tokens) {
        return new ClusterPlan.Row(
                candidate.layout().expertParallel(),
                candidate.layout().shard().toString(),
                candidate.layout().microBatch(),
                candidate.layout().recompute().toString(),
                candidate.time().total(),
                tokens / candidate.time().total(),
                candidate.memory().total());
    }

    private static String describe(DeviceLayout layout) {
        return "expert parallel %d, shard %s, micro-batch %d, recompute %s"
                .formatted(layout.expertParallel(), layout.shard(), layout.microBatch(), layout.recompute());
    }

    private static double gib(double bytes) {
        return bytes / (1L << 30);
    }
}
