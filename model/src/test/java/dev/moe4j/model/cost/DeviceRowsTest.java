package dev.moe4j.model.cost;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.TinyModels;
import dev.moe4j.model.block.Logits;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.Assignment;
import dev.moe4j.model.routing.DeviceAssignment;
import dev.moe4j.model.routing.RouteSection;
import dev.moe4j.model.routing.Routing;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.layout.ReceivedRowLayout;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Compares the estimate with the rows that routing, exchange and assignment produce for a batch. */
class DeviceRowsTest {

    private static final int EXPERTS = 4;
    private static final int SEQUENCES = 6;
    private static final int TOP_K = 2;
    private static final double ROUNDING = 15.5;

    private static final ModelConfig MODEL = TinyModels.mixture(16, EXPERTS, 0, 0);
    private static final int TOKENS = SEQUENCES * MODEL.context();

    private static DeviceRows rows(RoutingConfig routing, Precision precision, int expertParallel, boolean cuda) {
        return DeviceRows.of(
                new Architecture(MODEL, routing, BalanceConfig.DEFAULT),
                precision,
                new MemoryEstimate.Load(SEQUENCES, expertParallel, cuda, Recompute.NONE));
    }

    private static double[] logits() {
        return new SplittableRandom(1).doubles((long) TOKENS * EXPERTS).toArray();
    }

    /** A factor of 1.5 leaves places empty, 0.4 drops choices, and 9 has more places than tokens. */
    @ParameterizedTest
    @CsvSource({"0, 1.5", "1, 1.5", "3, 1.5", "0, 0.4", "1, 0.4", "3, 0.4", "2, 9"})
    void capacityPlacesAreSentAndComputedEvenIfEmpty(int group, double factor) {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                TOP_K,
                group,
                factor,
                -1,
                false,
                RoutingConfig.SecondExpert.ALL,
                false,
                true);
        int groups = group == 0 ? 1 : SEQUENCES / group;
        Routing.Noise noise = Routing.Noise.of(new RandomKey(0), new long[1]);
        Assignment made = Routing.of(routing)
                .assign(new Routing.Request(
                        Logits.of(logits(), EXPERTS), () -> new double[0], groups, null, true, noise));
        int places = new RouteSection.Setting(groups, null, null, 0, true, noise, null, 0, 0, false, false, false)
                .places(made);
        int sent = new AssignedRows(made, _ -> places).count();
        for (int devices : new int[] {2, 4}) {
            long[][] received = new long[devices][EXPERTS / devices];
            for (long[] member : received) {
                Arrays.fill(member, places);
            }
            int computed = ReceivedRowLayout.of(received, AssignedRows.MULTIPLE).filled().length;
            assertThat(rows(routing, Precision.BF16, devices, true))
                    .isEqualTo(new DeviceRows(TOKENS * TOP_K, sent, computed, computed));
        }
        int kept = 0;
        for (int e = 0; e < EXPERTS; e++) {
            kept += made.count(e);
        }
        DeviceRows alone = rows(routing, Precision.BF16, 1, true);
        assertThat(alone.computed())
                .as("on one device, of choices spread evenly")
                .isBetween(kept + EXPERTS * ROUNDING, Math.min(TOKENS * TOP_K, sent) + EXPERTS * ROUNDING);
        assertThat(alone.held()).isEqualTo(alone.computed());
    }

    @Test
    void deviceRoutingAllocatesRowsForEveryLoad() {
        RoutingConfig routing = TinyModels.dropless(TOP_K);
        double rounded = TOKENS * TOP_K + EXPERTS * ROUNDING;
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            Tensor logits_TE = Tensor.of(logits()).view(TOKENS, EXPERTS);
            long held = DeviceAssignment.of(logits_TE, TOP_K, null, tape, null)
                    .choiceOf_R()
                    .elements();
            assertThat(rows(routing, Precision.BF16, 1, true))
                    .isEqualTo(new DeviceRows(TOKENS * TOP_K, TOKENS * TOP_K, held, rounded));
        }
        assertThat(rows(routing, Precision.BF16, 1, false).held())
                .as("on a CPU")
                .isEqualTo(rounded);
        assertThat(rows(routing, Precision.FP16, 1, true).held())
                .as("without grouped products")
                .isEqualTo(rounded);
        assertThat(rows(routing, Precision.BF16, 2, true))
                .as("where devices share experts, of which each has two")
                .isEqualTo(new DeviceRows(
                        TOKENS * TOP_K, TOKENS * TOP_K, TOKENS * TOP_K + 2 * ROUNDING, TOKENS * TOP_K + 2 * ROUNDING));
    }
}
