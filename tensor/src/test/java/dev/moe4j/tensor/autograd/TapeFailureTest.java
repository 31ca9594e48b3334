package dev.moe4j.tensor.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.tensor.parameter.ShardSpec;
import dev.moe4j.tensor.parameter.ShardSync;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A section that throws releases its parameter groups, frees its saved tensors, and does not affect the next step. */
class TapeFailureTest {

    /** Parameters and gradients sharded over one process: full buffers exist only while they are used, as in ZeRO. */
    private static final ShardSpec SHARDED = new ShardSpec(1, 0, true, true, true);

    private static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Gathers like a process group, and fails for the group named {@code refused}. */
    private static final class Keeper implements ShardSync {
        private final List<String> gathered = new ArrayList<>();
        private @Nullable String refused;

        @Override
        public void acquire(ParameterGroup unit) {
            if (unit.name().equals(refused)) {
                throw new Fault();
            }
            unit.openWork();
            unit.fullWorkingCopy().copy(unit.workingCopyShard());
            gathered.add(unit.name());
        }

        @Override
        public void release(ParameterGroup unit) {
            unit.closeWork();
            gathered.remove(unit.name());
        }

        @Override
        public void ready(ParameterGroup unit) {
            unit.addReduced(unit.wholeGradient().copy());
        }

        @Override
        public void finish(ParameterGroup unit) {}

        @Override
        public void reset(ParameterGroup unit) {}

        @Override
        public void refreshed(ParameterGroup unit) {}
    }

    /** y = w x + b. Saves its input. */
    private static final class Affine implements Section.CustomBackward {
        private final Parameter w;
        private final Parameter b;
        private boolean failsForward;
        private boolean failsBackward;

        private Affine(Parameter w, Parameter b) {
            this.w = w;
            this.b = b;
        }

        @Override
        public String name() {
            return "affine";
        }

        @Override
        public List<Parameter> parameters() {
            return List.of(w, b);
        }

        @Override
        public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
            saved.save(inputs[0]);
            if (failsForward) {
                throw new Fault();
            }
            return new Tensor[] {inputs[0].mul(w.tensor()).add(b.tensor()).sum()};
        }

        @Override
        public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
            w.addGradient(saved.get(0));
            if (failsBackward) {
                throw new Fault();
            }
            b.addGradient(Tensor.of(1f, 1f));
            return new @Nullable Tensor[] {null};
        }
    }

    private final Keeper keeper = new Keeper();
    private final Parameters parameters = new Parameters(Precision.BF16, Device.CPU);
    private final Affine section;

    TapeFailureTest() {
        for (String name : List.of("w", "b")) {
            Parameter.Spec spec = Parameter.Spec.ofEqualParts(
                    name, List.of(2L), List.of(name), false, (part, _) -> part.fill(1), true);
            parameters.add(name, List.of(spec), Precision.FP32, SHARDED, keeper);
        }
        parameters.initialize(new RandomKey(0));
        section = new Affine(parameters.get("w"), parameters.get("b"));
    }

    @AfterEach
    void close() {
        parameters.close();
    }

    @ParameterizedTest
    @EnumSource(Tape.Retention.class)
    void inForward(Tape.Retention retention) {
        section.failsForward = true;
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Value x = tape.constant(Tensor.of(2f, 3f));
            long before = Scope.liveTensors();
            assertThatThrownBy(() -> tape.run(retention, section, x)).isInstanceOf(Fault.class);
            assertThat(Scope.liveTensors()).isEqualTo(before);
        }
        assertThat(keeper.gathered).isEmpty();
        section.failsForward = false;
        requireStep();
    }

    @Test
    void inForwardRunAgainByBackward() {
        long before = Scope.liveTensors();
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Value loss = tape.run(Tape.Retention.RECOMPUTE, section, tape.constant(Tensor.of(2f, 3f)));
            section.failsForward = true;
            assertThatThrownBy(() -> tape.backward(loss)).isInstanceOf(Fault.class);
            assertThat(keeper.gathered).isEmpty();
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
        section.failsForward = false;
        requireStep();
    }

    /** The partial gradient of the failed pass does not affect the next step. */
    @Test
    void inBackward() {
        section.failsBackward = true;
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Value loss = tape.run(section, tape.constant(Tensor.of(2f, 3f)));
            assertThatThrownBy(() -> tape.backward(loss)).isInstanceOf(Fault.class);
            assertThat(keeper.gathered).isEmpty();
        }
        section.failsBackward = false;
        requireStep();
    }

    @Test
    void inTheSecondOfTwoUnitsToGather() {
        keeper.refused = "b";
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Value x = tape.constant(Tensor.of(2f, 3f));
            assertThatThrownBy(() -> tape.run(section, x)).isInstanceOf(Fault.class);
        }
        assertThat(keeper.gathered).isEmpty();
        keeper.refused = null;
        requireStep();
    }

    @Test
    void inAnInspector() {
        Tape.Inspector failing = new Tape.Inspector() {
            @Override
            public void forward(String name, Tensor output) {
                throw new Fault();
            }

            @Override
            public void backward(String name, Tensor gradient) {}
        };
        long before = Scope.liveTensors();
        try (Scope _ = Scope.open();
                Tape tape = Tape.inspected(failing)) {
            Value x = tape.constant(Tensor.of(2f, 3f));
            assertThatThrownBy(() -> tape.run(section, x)).isInstanceOf(Fault.class);
        }
        assertThat(keeper.gathered).isEmpty();
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    /** A complete step uses the current weights, not the weights that the failed pass gathered, and only its own gradients. */
    private void requireStep() {
        try (Scope _ = Scope.open()) {
            parameters.units().forEach(unit -> unit.master().fill(4));
        }
        parameters.refresh();
        long before = Scope.liveTensors();
        parameters.startGradients();
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            Value loss = tape.run(section, tape.constant(Tensor.of(2f, 3f)));
            assertThat(loss.tensor().item()).isEqualTo(4 * 5 + 2 * 4);
            tape.backward(loss);
        }
        parameters.finishGradients();
        assertThat(keeper.gathered).isEmpty();
        try (Scope _ = Scope.open()) {
            assertThat(parameters.units().get(0).ownGradient().narrow(0, 0, 2).toFloats())
                    .containsExactly(2, 3);
            assertThat(parameters.units().get(1).ownGradient().narrow(0, 0, 2).toFloats())
                    .containsExactly(1, 1);
        }
        assertThat(Scope.liveTensors()).isLessThanOrEqualTo(before);
    }
}
