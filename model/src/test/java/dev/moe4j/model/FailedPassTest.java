package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A pass that fails on all ranks leaves nothing behind: no pending exchange, no stale weights or gradients, no memory.
 */
class FailedPassTest {

    private static final ModelConfig CONFIG = TinyModels.mixture(64, 4, 0, 0);

    private static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** The point at which a pass fails. */
    private enum Place implements Tape.Inspector {
        FORWARD {
            @Override
            public void forward(String section, Tensor output) {
                fail("layers.1.", section);
            }
        },
        BACKWARD {
            @Override
            public void backward(String section, Tensor gradient) {
                fail("layers.0.attention", section);
            }
        };

        @Override
        public void forward(String section, Tensor output) {}

        @Override
        public void backward(String section, Tensor gradient) {}

        private static void fail(String prefix, String section) {
            if (section.startsWith(prefix)) {
                throw new Fault();
            }
        }
    }

    private record Trial(Place place, List<double[]> gradients, List<double[]> fresh) {}

    @ParameterizedTest
    @EnumSource
    void nextStepEqualsThatOfAFreshModel(Sharding sharding) {
        List<List<Trial>> ranks = RanksInThreads.run(2, processes -> {
            ParallelContext fabric = ParallelContext.of(processes, 1, sharding);
            int rank = fabric.everyone().members().index();
            return List.of(trial(Place.FORWARD, fabric, rank), trial(Place.BACKWARD, fabric, rank));
        });
        assertThat(ranks)
                .allSatisfy(trials -> assertThat(trials).allSatisfy(trial -> {
                    assertThat(trial.gradients()).hasSameSizeAs(trial.fresh());
                    for (int unit = 0; unit < trial.fresh().size(); unit++) {
                        assertThat(trial.gradients().get(unit))
                                .as("%s, unit %s", trial.place(), unit)
                                .isEqualTo(trial.fresh().get(unit));
                    }
                }));
    }

    @ParameterizedTest
    @EnumSource
    void closingAfterAFailedPassFreesAllMemory(Sharding sharding) {
        long before = Scope.liveTensors();
        for (Place place : Place.values()) {
            RanksInThreads.run(2, processes -> {
                try (LanguageModel model = model(ParallelContext.of(processes, 1, sharding), 1)) {
                    fail(model, place, 1);
                    return true;
                }
            });
            assertThat(Scope.liveTensors()).as("%s", place).isEqualTo(before);
        }
    }

    /** The weights change between the failing pass and the next one. */
    private static Trial trial(Place place, ParallelContext fabric, int rank) {
        try (LanguageModel model = model(fabric, 1);
                LanguageModel fresh = model(fabric, 2)) {
            fail(model, place, rank);
            model.parameters().initialize(new RandomKey(2));
            return new Trial(place, gradients(model, rank), gradients(fresh, rank));
        }
    }

    private static LanguageModel model(ParallelContext fabric, long key) {
        return LanguageModel.initialize(
                new Architecture(CONFIG, TinyModels.dropless(2), BalanceConfig.DEFAULT),
                Precision.FP32,
                Device.CPU,
                fabric,
                ExpertGradients.EXACT,
                new RandomKey(key));
    }

    private static void fail(LanguageModel model, Place place, int rank) {
        boolean failed = false;
        try {
            step(model, Tape.inspected(place), 10 + rank);
        } catch (Fault e) {
            failed = true;
        }
        assertThat(failed).isTrue();
    }

    private static List<double[]> gradients(LanguageModel model, int rank) {
        step(model, Tape.recording(), rank);
        try (Scope _ = Scope.open()) {
            return model.parameters().units().stream()
                    .map(ParameterGroup::gradient)
                    .map(Tensor::toDoubles)
                    .toList();
        }
    }

    private static void step(LanguageModel model, Tape opened, long seed) {
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                Tape tape = opened) {
            TokenBatch batch = TinyModels.batch(seed, 2, CONFIG.context(), CONFIG.vocabulary());
            LossReport report =
                    model.loss(tape, batch, new PassContext(true, 0.1, new RandomKey(1), new long[] {0, 1}));
            model.beginBackward(true);
            tape.backward(report.roots().toArray(Value[]::new));
            model.parameters().finishGradients();
        }
    }
}
