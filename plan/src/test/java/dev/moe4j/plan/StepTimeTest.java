package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Compares each term with a calculation by hand. The model has two layers of width 4, a sequence of four tokens and a
 * vocabulary of 16. The second layer has 4 experts of width 8 with top-2 routing. The device has 100 FLOP/s and 10
 * bytes/s of memory bandwidth.
 */
class StepTimeTest {

    private static final List<String> TINY = List.of(
            "model.layers=2",
            "model.width=4",
            "model.heads=2",
            "model.ffn=8",
            "model.expert_ffn=8",
            "model.vocabulary=16",
            "model.context=4",
            "model.experts=4",
            "model.dropout=0",
            "model.attention_dropout=0");

    /**
     * Parameters: 64 in the table, 4·16 + 16 in each attention, 16 in a layer's norms, 8 in the last norm, 2·32 + 12 in
     * the network, 16 in the gate.
     */
    private static final double DENSE = 64 + 2 * (80 + 16) + 8 + 76 + 16;

    /** Four experts of 2·32 + 12 parameters. */
    private static final double EXPERTS = 4 * 76;

    /** Rows for 16 choices: each expert's rows are rounded up to a multiple of 32. */
    private static final double ROWS = 16 + 4 * 15.5;

    private static final Accelerator DEVICE = new Accelerator("slow", 100, 1 << 30, null);

    private static Architecture tiny(String... overrides) {
        List<String> all = new ArrayList<>(TINY);
        all.addAll(List.of(overrides));
        return RunConfig.read("cpu-tiny-moe", all).architecture();
    }

    private static Cluster cluster(int exchanges, double exchangeOverlap, double shardingOverlap) {
        return new Cluster(8, 0.5, 0.25, 10, 10, 1, 0, 0, 2, exchanges, exchangeOverlap, shardingOverlap, 0);
    }

    private static StepTime time(Architecture architecture, Cluster cluster, DeviceLayout layout) {
        return StepTime.of(architecture, ParameterCounts.of(architecture), Precision.BF16, DEVICE, cluster, layout);
    }

    private static DeviceLayout layout(
            int devices, int expertParallel, Sharding shard, int microBatch, Recompute kind) {
        return DeviceLayout.of(devices, expertParallel, shard, 2, microBatch, kind);
    }

    private static final DeviceLayout ONE = layout(1, 1, Sharding.NONE, 2, Recompute.NONE);

    private static void assertSeconds(double seconds, double expected) {
        assertThat(seconds).isCloseTo(expected, within(1e-9 * expected));
    }

    @Test
    void productsTakeThreeForwardPasses() {
        StepTime time = time(tiny(), cluster(4, 0, 0), ONE);
        // 8 tokens; qkv and output 8·16 a layer, the network 4·4·8, the router 2·4·4; 50 FLOP/s.
        assertSeconds(time.products(), 3 * 8 * (2 * 128 + 128 + 32) / 50.0);
        // Scores and their use 4·4·4 a layer, half of it, at 25 FLOP/s.
        assertSeconds(time.attention(), 3 * 8 * (2 * 64) / 2.0 / 25);
        // Logits 2·4·16; their softmax moves 6 of them in 2 bytes.
        assertSeconds(time.head(), 3 * 8 * (128 / 50.0 + 6 * 16 * 2 / 10.0));
    }

    /** Attention with dropout is not fused: it computes all scores, and moves them. */
    @Test
    void plainAttentionMovesItsScores() {
        StepTime fused = time(tiny(), cluster(4, 0, 0), ONE);
        StepTime plain = time(tiny("model.attention_dropout=0.1"), cluster(4, 0, 0), ONE);
        assertSeconds(plain.attention(), 3 * 8 * (2 * 64) / 50.0);
        // Seven tensors of 2 heads · 4 scores a token and layer.
        assertSeconds(plain.elementwise() - fused.elementwise(), 3 * 8 * 2 * 7 * 8 * 2 / 10.0);
    }

    @Test
    void elementwiseOperationsMoveTheStream() {
        StepTime time = time(tiny(), cluster(4, 0, 0), ONE);
        double attention = 4 * 13;
        double network = 4 * 5 + 2 * 8;
        double mixture = 4 * (5 + ROWS / 8 * 3 + 1) + 2 * ROWS / 8 * 8;
        assertSeconds(time.elementwise(), 3 * 8 * (2 * attention + network + mixture) * 2 / 10.0);
    }

    /** Few tokens and many weights: each micro-batch reads the weights twice, and reads and writes the gradients. */
    @Test
    void expertsTakeWhatIsSlower() {
        double weights = EXPERTS * 2;
        double gradients = EXPERTS * 2 * 4;
        Cluster slowMemory = new Cluster(8, 0.5, 0.25, 1, 10, 1, 0, 0, 2, 4, 0, 0, 0);
        StepTime bound = time(tiny(), slowMemory, ONE);
        assertSeconds(bound.experts(), weights + weights + gradients);
        StepTime twice = time(tiny(), slowMemory, layout(1, 1, Sharding.NONE, 1, Recompute.NONE));
        assertSeconds(twice.experts(), 2 * bound.experts());
        Cluster fastMemory = new Cluster(8, 0.5, 0.25, 1e6, 10, 1, 0, 0, 2, 4, 0, 0, 0);
        // 4·4·8 operations for each row.
        assertSeconds(time(tiny(), fastMemory, ONE).experts(), 3 * ROWS * 128 / 50.0);
        // With expert parallelism the busiest device has twice the mean load; each device has two experts.
        DeviceLayout two = layout(2, 2, Sharding.NONE, 2, Recompute.NONE);
        assertSeconds(time(tiny(), fastMemory, two).experts(), 3 * (2 * 16 + 2 * 15.5) * 128 / 50.0);
        // With a capacity, all devices have the same places: 3 per sequence and device, 12 in one block of 32 rows.
        Architecture capacity = tiny("routing.strategy=capacity", "routing.capacity_factor=1.5");
        assertSeconds(time(capacity, fastMemory, two).experts(), 3 * 2 * 32 * 128 / 50.0);
        // On one device, empty places are not computed.
        assertSeconds(time(capacity, fastMemory, ONE).experts(), 3 * ROWS * 128 / 50.0);
    }

    @Test
    void recomputationRunsForwardAgain() {
        StepTime none = time(tiny(), cluster(4, 0, 0), ONE);
        StepTime selective = time(tiny(), cluster(4, 0, 0), layout(1, 1, Sharding.NONE, 2, Recompute.SELECTIVE));
        StepTime full = time(tiny(), cluster(4, 0, 0), layout(1, 1, Sharding.NONE, 2, Recompute.FULL));
        assertThat(none.recomputation()).isZero();
        assertSeconds(selective.recomputation(), none.elementwise() / 3);
        double forwardExperts = ROWS * 128 / 50.0;
        assertSeconds(
                full.recomputation(), (none.products() + none.attention() + none.elementwise()) / 3 + forwardExperts);
        assertSeconds(full.total() - none.total(), full.recomputation());
    }

    /** Two devices of a node, the busiest with twice the mean: 8 tokens, 2 choices, 4 wide, 2 bytes; half stays. */
    @Test
    void tokensGoToTheirExpertsAndBack() {
        DeviceLayout two = layout(2, 2, Sharding.NONE, 2, Recompute.NONE);
        double once = 2 * 8 * 2 * 4 * 2 / 2.0 / 10;
        assertSeconds(time(tiny(), cluster(4, 0, 0), two).exchange(), 4 * once);
        assertSeconds(time(tiny(), cluster(6, 0, 0), two).exchange(), 6 * once);
        StepTime hidden = time(tiny(), cluster(4, 0.5, 0), two);
        assertSeconds(hidden.exchangeHidden(), 0.5 * Math.min(hidden.exchange(), hidden.experts()));
        assertThat(time(tiny(), cluster(4, 0, 0), ONE).exchange()).isZero();
    }

    /** 1.5 places for each choice: 48 rows for a micro-batch of 4 sequences in {@code plan}, half of them to the other device. */
    @Test
    void placesOfACapacityTravelFilledOrNot() {
        List<String> capacity = List.of("routing.strategy=capacity", "routing.capacity_factor=1.5");
        DeviceLayout two = layout(2, 2, Sharding.NONE, 2, Recompute.NONE);
        assertSeconds(
                time(tiny(capacity.toArray(String[]::new)), cluster(4, 0, 0), two)
                        .exchange(),
                4 * 24 * 4 * 2 / 2.0 / 10);
        List<String> all = new ArrayList<>(TINY);
        all.addAll(capacity);
        Plan.Request request = new Plan.Request(1e6, "a100-80gb", 2, 2, Sharding.NONE, null, 0);
        Plan plan = Plan.of(RunConfig.read("cpu-tiny-moe", all), request, 0.5);
        assertThat(plan.layout().sequencesPerDevice()).isEqualTo(4);
        assertThat(plan.exchange().expertTokens()).isEqualTo(4 * 48 / 2 * 4 * 2);
    }

    /** Two copies on two devices: half of all data passes each link, with 4 bytes per gradient and 2 per parameter. */
    @Test
    void shardsAreGatheredAndReduced() {
        double parameters = DENSE + EXPERTS;
        double reduced = parameters * 4 / 2 / 10;
        double gathered = parameters * 2 / 2 / 10;
        assertSeconds(sharding(Sharding.NONE, 1), 2 * reduced);
        assertSeconds(sharding(Sharding.OPTIMIZER, 1), reduced + gathered);
        assertSeconds(sharding(Sharding.GRADIENTS, 1), 2 * reduced + gathered);
        assertSeconds(sharding(Sharding.PARAMETERS, 1), 2 * (reduced + 2 * gathered));
        assertSeconds(sharding(Sharding.PARAMETERS, 2), reduced + 2 * gathered);
        // Experts on a single device need no reduction.
        StepTime shared = time(tiny(), cluster(4, 0, 0), layout(2, 2, Sharding.NONE, 2, Recompute.NONE));
        assertSeconds(shared.sharding(), 2 * DENSE * 4 / 2 / 10);
    }

    private static double sharding(Sharding level, int microBatch) {
        return time(tiny(), cluster(4, 0, 0), layout(2, 1, level, microBatch, Recompute.NONE))
                .sharding();
    }

    /** Two reads of the gradient, master and two moments read and written, the copy written: 34 bytes. */
    @Test
    void theOptimizerMovesItsState() {
        double all = (DENSE + EXPERTS) * (2 * 4 + 6 * 4 + 2) / 10;
        assertSeconds(time(tiny(), cluster(4, 0, 0), ONE).optimizer(), all);
        DeviceLayout sharded = layout(2, 1, Sharding.OPTIMIZER, 2, Recompute.NONE);
        assertSeconds(time(tiny(), cluster(4, 0, 0), sharded).optimizer(), all / 2);
    }

    /** Overlap hides at most the whole communication, and at most the time of the overlapping computation. */
    @ParameterizedTest
    @EnumSource
    void overlapHidesWhatItCan(Sharding level) {
        DeviceLayout two = layout(2, 1, level, 1, Recompute.FULL);
        StepTime open = time(tiny(), cluster(4, 0, 0), two);
        StepTime hidden = time(tiny(), cluster(4, 0, 1), two);
        assertThat(open.shardingHidden()).isZero();
        assertThat(hidden.shardingHidden()).isPositive().isLessThanOrEqualTo(hidden.sharding());
        assertSeconds(open.total() - hidden.total(), hidden.shardingHidden());
    }

    /** A faster component never makes a step slower. */
    @Test
    void betterHardwareIsNotSlower() {
        DeviceLayout spread = DeviceLayout.of(16, 4, Sharding.PARAMETERS, 2, 1, Recompute.SELECTIVE);
        double usual = time(tiny(), cluster(4, 0.2, 0.2), spread).total();
        for (Cluster better : List.of(
                new Cluster(8, 0.6, 0.25, 10, 10, 1, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.30, 10, 10, 1, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 20, 10, 1, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 10, 20, 1, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 10, 10, 2, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(16, 0.5, 0.25, 10, 10, 1, 0, 0, 2, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 10, 10, 1, 0, 0, 1, 4, 0.2, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 10, 10, 1, 0, 0, 2, 4, 0.9, 0.2, 0),
                new Cluster(8, 0.5, 0.25, 10, 10, 1, 0, 0, 2, 4, 0.2, 0.9, 0))) {
            assertThat(time(tiny(), better, spread).total()).as("%s", better).isLessThanOrEqualTo(usual);
        }
    }
}
