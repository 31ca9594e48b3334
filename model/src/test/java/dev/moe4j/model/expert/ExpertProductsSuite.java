package dev.moe4j.model.expert;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.Assignment;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Tests that every implementation of {@link ExpertProducts} must pass. */
abstract class ExpertProductsSuite {

    private static final int EXPERTS = 5;
    private static final int IN = 24;
    private static final int OUT = 40;

    /** Tokens per expert: uneven, with and without empty experts, at and around the row multiple. */
    private static final List<List<Integer>> LOADS = List.of(
            List.of(3, 40, 1, 32, 33),
            List.of(0, 17, 0, 64, 0),
            List.of(0, 0, 90, 0, 0),
            List.of(0, 0, 0, 0, 7),
            List.of(0, 0, 0, 0, 0));

    abstract ExpertProducts products(ExpertRows assigned, Tensor rows);

    /** The cases that the implementation supports. */
    abstract List<Precision> precisions();

    /** The relative error ‖difference‖ / ‖exact‖ that rounding of one result may cause. */
    private static double bound(DType type) {
        return switch (type) {
            case FLOAT64 -> 1e-14;
            case FLOAT32 -> 1e-6;
            default -> 4e-3;
        };
    }

    @TestFactory
    Stream<DynamicContainer> equalsAPlainComputation() {
        return each(trial -> {
            trial.run(0);
            trial.check();
            // A second gradient accumulates.
            trial.products.weightGradient(trial.gradient, trial.x, trial.weight);
            assertClose(trial.weightGradient(), scaled(trial.exactWeightGradient(), 2), trial.bound);
        });
    }

    @TestFactory
    Stream<DynamicContainer> ignoresWhatStandsInEmptyRows() {
        return each(trial -> {
            trial.run(0);
            double[] y = trial.filledRows(trial.y);
            double[] dx = trial.filledRows(trial.dx);
            double[] weightGradient = trial.weightGradient();
            trial.run(1e4);
            assertThat(trial.filledRows(trial.y)).isEqualTo(y);
            assertThat(trial.filledRows(trial.dx)).isEqualTo(dx);
            assertThat(trial.weightGradient()).isEqualTo(weightGradient);
        });
    }

    @TestFactory
    Stream<DynamicContainer> expertsWithoutATokenGetAGradientOfZero() {
        return each(trial -> {
            // Gradients of an earlier step must be overwritten.
            trial.weight.gradient().fill(7);
            trial.run(1e4);
            for (int e = 0; e < EXPERTS; e++) {
                if (trial.assigned.assignment().count(e) == 0) {
                    assertThat(trial.weight.gradient().select(0, e).toDoubles()).containsOnly(0.0);
                }
            }
            assertThat(trial.weight.gradient().toDoubles()).hasSize(EXPERTS * OUT * IN);
        });
    }

    private interface Check {
        void accept(Trial trial);
    }

    private Stream<DynamicContainer> each(Check check) {
        return TestDevices.all(device -> precisions().stream()
                .flatMap(precision -> LOADS.stream()
                        .map(load -> DynamicTest.dynamicTest(precision.compute() + " " + load, () -> {
                            try (Scope _ = Scope.open();
                                    Parameters parameters = new Parameters(precision, device)) {
                                check.accept(new Trial(load, parameters));
                            }
                        }))));
    }

    /** One assignment with random numbers. */
    private final class Trial {
        private final AssignedRows assigned;
        private final Parameters parameters;
        private final Parameter weight;
        private final ExpertProducts products;
        private final double bound;
        private final double[] tokens;
        private final double[] upstream;
        private Tensor x;
        private Tensor gradient;
        private Tensor y;
        private Tensor dx;

        Trial(List<Integer> load, Parameters parameters) {
            this.assigned = new AssignedRows(assignment(load), AssignedRows::rounded);
            this.parameters = parameters;
            DType type = parameters.precision().compute();
            this.bound = bound(type);
            SplittableRandom random = new SplittableRandom(load.hashCode());
            parameters.add(
                    "experts",
                    List.of(Parameter.Spec.ofEqualParts(
                            "weight",
                            List.of((long) EXPERTS, (long) OUT, (long) IN),
                            IntStream.range(0, EXPERTS).mapToObj(e -> "w" + e).toList(),
                            true,
                            (part, key) -> {},
                            true)));
            weight = parameters.get("weight");
            weight.master().copy(rounded(random, EXPERTS * OUT * IN, type).view(EXPERTS, OUT, IN));
            parameters.refresh();
            tokens = rounded(random, assigned.count() * IN, type).toDoubles();
            upstream = rounded(random, assigned.count() * OUT, type).toDoubles();
            x = rows(tokens, IN, 0);
            gradient = rows(upstream, OUT, 0);
            y = x;
            dx = x;
            products = products(assigned, x);
        }

        private static Tensor rounded(SplittableRandom random, int count, DType type) {
            return Tensor.of(random.doubles(count, -1, 1).toArray()).to(type);
        }

        /** Random rows, with {@code ±empty} in rows without a token. */
        private Tensor rows(double[] values, int width, double empty) {
            double[] rows = values.clone();
            for (int i = 0; i < rows.length; i++) {
                rows[i] = assigned.filled()[i / width] ? rows[i] : empty * Math.signum(rows[i]);
            }
            return Tensor.of(rows)
                    .view(assigned.count(), width)
                    .to(parameters.precision().compute())
                    .to(parameters.device());
        }

        /** Computes all products, with {@code poison} in the empty rows of x; empty rows of the gradient are zero. */
        void run(double poison) {
            x = rows(tokens, IN, poison);
            gradient = rows(upstream, OUT, 0);
            parameters.startGradients();
            y = products.forward(x, weight.tensor());
            dx = products.backward(gradient, weight.tensor());
            products.weightGradient(gradient, x, weight);
            parameters.finishGradients();
        }

        double[] weightGradient() {
            return weight.gradient().toDoubles();
        }

        double[] filledRows(Tensor all) {
            double[] values = all.toDoubles();
            int width = (int) all.size(1);
            return IntStream.range(0, values.length)
                    .filter(i -> assigned.filled()[i / width])
                    .mapToDouble(i -> values[i])
                    .toArray();
        }

        void check() {
            double[] w = weight.master().toDoubles();
            double[] exactY = new double[assigned.count() * OUT];
            double[] exactDx = new double[assigned.count() * IN];
            for (int e = 0; e < EXPERTS; e++) {
                for (int row = assigned.start(e);
                        row < assigned.start(e) + assigned.assignment().count(e);
                        row++) {
                    for (int out = 0; out < OUT; out++) {
                        for (int in = 0; in < IN; in++) {
                            double weighted = w[(e * OUT + out) * IN + in];
                            exactY[row * OUT + out] += weighted * tokens[row * IN + in];
                            exactDx[row * IN + in] += weighted * upstream[row * OUT + out];
                        }
                    }
                }
            }
            assertClose(filledRows(y), filled(exactY, OUT), bound);
            assertClose(filledRows(dx), filled(exactDx, IN), bound);
            assertClose(weightGradient(), exactWeightGradient(), bound);
        }

        double[] exactWeightGradient() {
            double[] exact = new double[EXPERTS * OUT * IN];
            for (int e = 0; e < EXPERTS; e++) {
                for (int row = assigned.start(e);
                        row < assigned.start(e) + assigned.assignment().count(e);
                        row++) {
                    for (int out = 0; out < OUT; out++) {
                        for (int in = 0; in < IN; in++) {
                            exact[(e * OUT + out) * IN + in] += upstream[row * OUT + out] * tokens[row * IN + in];
                        }
                    }
                }
            }
            return exact;
        }

        private double[] filled(double[] values, int width) {
            return IntStream.range(0, values.length)
                    .filter(i -> assigned.filled()[i / width])
                    .mapToDouble(i -> values[i])
                    .toArray();
        }
    }

    /** A top-1 assignment with the given number of tokens per expert, in mixed order. */
    private static Assignment assignment(List<Integer> load) {
        int tokens = Math.max(1, load.stream().mapToInt(Integer::intValue).sum());
        long[] expertOf = new long[tokens];
        boolean[] wanted = new boolean[tokens];
        int next = 0;
        int[] left = load.stream().mapToInt(Integer::intValue).toArray();
        while (Arrays.stream(left).anyMatch(n -> n > 0)) {
            for (int e = 0; e < left.length; e++) {
                if (left[e]-- > 0) {
                    expertOf[next] = e;
                    wanted[next++] = true;
                }
            }
        }
        return new Assignment(tokens, 1, EXPERTS, expertOf, wanted, new long[tokens], Long.MAX_VALUE);
    }

    private static double[] scaled(double[] values, double factor) {
        return Arrays.stream(values).map(v -> v * factor).toArray();
    }

    private static void assertClose(double[] actual, double[] exact, double bound) {
        assertThat(actual).hasSameSizeAs(exact);
        assertThat(Difference.relative(actual, exact)).isLessThanOrEqualTo(bound);
    }
}
