package dev.moe4j.tensor.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class TapeTest {

    private static Section derived(String name, List<Parameter> parameters, Function<Tensor[], Tensor> function) {
        return new Section.Autograd() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public List<Parameter> parameters() {
                return parameters;
            }

            @Override
            public Tensor[] forward(Tensor... inputs) {
                return new Tensor[] {function.apply(inputs)};
            }
        };
    }

    /** y = 3x with a hand-written backward pass. */
    private static final class Triple implements Section.CustomBackward {
        @Override
        public String name() {
            return "triple";
        }

        @Override
        public List<Parameter> parameters() {
            return List.of();
        }

        @Override
        public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
            return new Tensor[] {inputs[0].mul(3)};
        }

        @Override
        public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
            Tensor gradient = gradients[0];
            return new @Nullable Tensor[] {gradient == null ? null : gradient.mul(3)};
        }
    }

    private static Parameters oneParameter(Precision precision, double value) {
        Parameters parameters = new Parameters(precision, Device.CPU);
        parameters.add(
                "unit",
                List.of(Parameter.Spec.ofEqualParts(
                        "w", List.of(2L), List.of("w"), false, (part, key) -> part.fill(value), true)));
        parameters.initialize(new RandomKey(0));
        return parameters;
    }

    @Test
    void sumsTheGradientsOfAValueOverItsConsumers() {
        try (Parameters parameters = oneParameter(Precision.FP64, 5);
                Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Parameter w = parameters.get("w");
            Value x = tape.variable(Tensor.of(1.0, 2.0));
            Value scaled = tape.run(derived("scale", List.of(w), in -> in[0].mul(w.tensor())), x);
            Value tripled = tape.run(new Triple(), scaled);
            // scaled is used twice: directly and through the section with its own backward pass.
            Value loss =
                    tape.run(derived("loss", List.of(), in -> in[0].mul(in[1]).sum()), scaled, tripled);
            assertThat(loss.tensor().item()).isEqualTo(3 * (25 + 100));
            parameters.startGradients();
            tape.backward(loss);
            parameters.finishGradients();
            // loss = 3 Σ (w x)², so d/dx = 6 w² x and d/dw = 6 w x².
            assertThat(tape.gradient(x)).isNotNull();
            assertThat(Objects.requireNonNull(tape.gradient(x)).toDoubles()).containsExactly(150, 300);
            assertThat(w.gradient().toDoubles()).containsExactly(30, 120);
        }
    }

    @Test
    void gradientsOfTwoMicroBatchesAddUpAndTheNextStepStartsAfresh() {
        try (Parameters parameters = oneParameter(Precision.FP32, 2)) {
            Parameter w = parameters.get("w");
            for (int step = 0; step < 2; step++) {
                parameters.startGradients();
                for (int micro = 0; micro < 2; micro++) {
                    try (Scope _ = Scope.open();
                            Tape tape = Tape.recording()) {
                        Value x = tape.constant(Tensor.of(1f, 4f));
                        Value loss = tape.run(
                                derived(
                                        "loss",
                                        List.of(w),
                                        in -> in[0].mul(w.tensor()).sum()),
                                x);
                        tape.backward(loss);
                    }
                }
                parameters.finishGradients();
                assertThat(w.gradient().toFloats()).containsExactly(2, 8);
            }
        }
    }

    @Test
    void parametersThatNothingUsedHaveAZeroGradient() {
        try (Parameters parameters = oneParameter(Precision.FP32, 2);
                Scope _ = Scope.open()) {
            Parameter w = parameters.get("w");
            w.addGradient(Tensor.of(9f, 9f));
            parameters.startGradients();
            parameters.finishGradients();
            assertThat(w.gradient().toFloats()).containsOnly(0);
        }
    }

    @Test
    void bfloat16ComputesOverAFloat32Master() {
        try (Parameters parameters = oneParameter(Precision.BF16, 1.001)) {
            Parameter w = parameters.get("w");
            assertThat(w.tensor().dtype()).isEqualTo(DType.BFLOAT16);
            assertThat(w.master().toDoubles()[0]).isCloseTo(1.001, within(1e-6));
            assertThat(w.tensor().toDoubles()[0]).isEqualTo(1.0);
            try (Scope _ = Scope.open()) {
                w.master().fill(1.0078125);
            }
            parameters.refresh();
            assertThat(w.tensor().toDoubles()[0]).isEqualTo(1.0078125);
        }
    }

    @Test
    void liveTensorsStayFlatOverSteps() {
        try (Parameters parameters = oneParameter(Precision.FP32, 2)) {
            Parameter w = parameters.get("w");
            long before = Scope.liveTensors();
            for (int step = 0; step < 50; step++) {
                parameters.startGradients();
                try (Scope _ = Scope.open();
                        Tape tape = Tape.recording()) {
                    Value x = tape.variable(Tensor.of(1f, 4f));
                    Value y = tape.run(derived("a", List.of(w), in -> in[0].mul(w.tensor())), x);
                    Value z = tape.run(new Triple(), y);
                    tape.backward(tape.run(derived("b", List.of(), in -> in[0].sum()), z));
                }
                assertThat(Scope.liveTensors()).isEqualTo(before);
            }
        }
    }

    /** A {@link #derived} section that counts its forward passes. */
    private static Section counted(AtomicInteger runs, String name, Parameter w) {
        return derived(name, List.of(w), in -> {
            runs.incrementAndGet();
            return in[0].mul(w.tensor());
        });
    }

    /** Two sections whose outputs are dropped, and a section that uses both: loss = Σ w³ x². */
    @Test
    void recomputedSectionsRunOnceMoreAndGiveTheSameGradients() {
        try (Parameters parameters = oneParameter(Precision.FP64, 5)) {
            Parameter w = parameters.get("w");
            long before = Scope.liveTensors();
            for (Tape.Retention retention : Tape.Retention.values()) {
                AtomicInteger runs = new AtomicInteger();
                parameters.startGradients();
                try (Scope _ = Scope.open();
                        Tape tape = Tape.recording()) {
                    Value x = tape.variable(Tensor.of(1.0, 2.0));
                    Value once = tape.run(retention, counted(runs, "once", w), x);
                    Value twice = tape.run(retention, counted(runs, "twice", w), once);
                    Value tripled = tape.run(retention, new Triple(), twice);
                    Value loss = tape.run(
                            retention,
                            derived("loss", List.of(), in -> in[0].mul(in[1]).sum()),
                            once,
                            tripled);
                    assertThat(runs).hasValue(2);
                    tape.drop(x, once, twice, tripled);
                    tape.backward(loss);
                    assertThat(runs).hasValue(retention == Tape.Retention.KEEP ? 2 : 4);
                    parameters.finishGradients();
                    // loss = 3 Σ w³ x².
                    assertThat(Objects.requireNonNull(tape.gradient(x)).toDoubles())
                            .containsExactly(750, 1500);
                    assertThat(w.gradient().toDoubles()).containsExactly(225, 900);
                    assertThat(x.tensor().toDoubles()).containsExactly(1, 2);
                    if (retention == Tape.Retention.RECOMPUTE) {
                        assertThatThrownBy(once::tensor)
                                .isInstanceOf(TensorException.class)
                                .hasMessage("once: its outputs were freed by the backward pass");
                    } else {
                        assertThat(once.tensor().toDoubles()).containsExactly(5, 10);
                    }
                }
                assertThat(Scope.liveTensors()).isEqualTo(before);
            }
        }
    }

    @Test
    void aValueThatIsDroppedIsFreedUntilItIsWanted() {
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording();
                Tape inference = Tape.inference()) {
            Value value = tape.run(Tape.Retention.RECOMPUTE, new Triple(), tape.constant(Tensor.of(2f)));
            long before = Scope.liveTensors();
            tape.drop(value);
            assertThat(Scope.liveTensors()).isEqualTo(before - 1);
            assertThat(value.tensor().item()).isEqualTo(6);

            Value gone = inference.run(new Triple(), inference.constant(Tensor.of(2f)));
            inference.drop(gone);
            assertThatThrownBy(gone::tensor).isInstanceOf(TensorException.class).hasMessageContaining("dropped");
        }
    }

    /** A mask is drawn from a separate generator, and does not advance the process-wide generator. */
    @Test
    void masksLeaveTheProcessWideGeneratorAlone() {
        try (Scope _ = Scope.open();
                Generator own =
                        torch.createCPUGenerator(new RandomKey(7).fold(3).value());
                GeneratorOptional optional = new GeneratorOptional(own)) {
            torch.manual_seed(11);
            Tensor expected = Tensor.zeros(DType.FLOAT32, Device.CPU, 1, 500);
            expected.inPlace("bernoulli_", () -> expected.handle().bernoulli_(0.5, optional), expected);
            double untouched = torch.rand(1).item_double();
            torch.manual_seed(11);
            Tensor mask = new RandomKey(7).dropoutMask(expected, 0.5, new long[] {3});
            assertThat(torch.rand(1).item_double()).isEqualTo(untouched);
            assertThat(mask.toFloats()).containsExactly(expected.mul(2).toFloats());
        }
    }

    @Test
    void randomKeysGiveTheSameNumbersForTheSameKeyOnly() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FLOAT32, Device.CPU, 100);
            Tensor b = Tensor.zeros(DType.FLOAT32, Device.CPU, 100);
            RandomKey key = new RandomKey(7).fold("layers.0").fold(3);
            key.fillNormal(a, 1);
            key.fillNormal(b, 1);
            assertThat(a.toFloats()).containsExactly(b.toFloats());
            new RandomKey(7).fold("layers.1").fold(3).fillNormal(b, 1);
            assertThat(a.toFloats()).isNotEqualTo(b.toFloats());
            Tensor batch = Tensor.zeros(DType.FLOAT32, Device.CPU, 2, 1000);
            Tensor mask = key.dropoutMask(batch, 0.8, new long[] {4, 9});
            Tensor alone = key.dropoutMask(batch.narrow(0, 0, 1), 0.8, new long[] {9});
            assertThat(mask.select(0, 1).toFloats())
                    .containsExactly(alone.select(0, 0).toFloats());
            assertThat(mask.mean().item()).isCloseTo(1, within(0.1));
            assertThat(mask.toFloats()).containsOnly(0f, 1.25f);
        }
    }
}
