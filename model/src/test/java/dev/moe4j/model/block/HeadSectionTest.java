package dev.moe4j.model.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A head in a narrow type has gradients of the right scale for every number of targets. */
class HeadSectionTest {

    /**
     * Rounding of elements changes the scale by less than this. A weight of 1/60 rounded to bfloat16 is off by 2.9e-3.
     */
    private static final double ROUNDING = 1.5e-3;

    private static final int TOKENS = 64;
    private static final int WIDTH = 32;
    private static final int VOCABULARY = 48;

    private record Gradients(double[] hidden, double[] table) {}

    @ParameterizedTest
    @CsvSource({"60, bf16", "60, fp16", "64, bf16", "43, bf16"})
    void scale(int targets, String precision) {
        Gradients exact = gradients(targets, Precision.FP64, 1);
        // A second pass of the step adds to the first.
        for (int passes = 1; passes <= 2; passes++) {
            Gradients narrow = gradients(targets, Precision.parse(precision), passes);
            assertThat(scale(narrow.hidden(), exact.hidden())).isCloseTo(1, within(ROUNDING));
            assertThat(scale(narrow.table(), exact.table())).isCloseTo(passes, within(passes * ROUNDING));
        }
    }

    /** The factor that best scales one vector to the other; rounding of elements cancels in it. */
    private static double scale(double[] of, double[] exact) {
        double product = 0;
        double square = 0;
        for (int i = 0; i < of.length; i++) {
            product += of[i] * exact[i];
            square += exact[i] * exact[i];
        }
        return product / square;
    }

    private static Gradients gradients(int targets, Precision precision, int passes) {
        try (Parameters parameters = new Parameters(precision, Device.CPU);
                Scope _ = Scope.open()) {
            parameters.add(
                    "head",
                    List.of(Parameter.Spec.ofEqualParts(
                            "table",
                            List.of((long) VOCABULARY, (long) WIDTH),
                            List.of("table"),
                            false,
                            (part, key) -> part.copy(rounded(key, VOCABULARY, WIDTH)),
                            true)));
            parameters.initialize(new RandomKey(1));
            long[] target = new long[TOKENS];
            Arrays.setAll(target, i -> i < targets ? i * 7 % VOCABULARY : TokenBatch.NONE);
            parameters.startGradients();
            double[] hidden = {};
            for (int pass = 0; pass < passes; pass++) {
                try (Tape tape = Tape.recording()) {
                    Value states = tape.variable(
                            rounded(new RandomKey(2), TOKENS, WIDTH).to(precision.compute()));
                    HeadSection head =
                            new HeadSection(parameters.get("table"), precision.stable(), 1.0 / targets, null);
                    Value[] results = tape.runAll(head, states, tape.constant(Tensor.of(target)));
                    tape.backward(results[0]);
                    hidden = Objects.requireNonNull(tape.gradient(states)).toDoubles();
                }
            }
            parameters.finishGradients();
            return new Gradients(hidden, parameters.get("table").gradient().toDoubles());
        }
    }

    /** Numbers that are exact in each precision. */
    private static Tensor rounded(RandomKey key, long rows, long columns) {
        Tensor numbers = Tensor.zeros(DType.FLOAT32, Device.CPU, rows, columns);
        key.fillUniform(numbers, -1, 1);
        return numbers.mul(64).to(DType.INT32).to(DType.FLOAT32).mul(1.0 / 64);
    }
}
