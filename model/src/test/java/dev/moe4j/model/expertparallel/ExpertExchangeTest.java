package dev.moe4j.model.expertparallel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.TinyExperts;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.expert.CombineSection;
import dev.moe4j.model.expert.DispatchSection;
import dev.moe4j.model.expert.ExpertNetworks;
import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.Assignment;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.model.routing.RowIndices;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sends rows to experts on other ranks and back, with poison in every row without a token. */
class ExpertExchangeTest {

    private static final int WIDTH = 4;
    private static final int FFN = 6;
    private static final int EXPERTS = 4;
    /** Places of each expert per rank in even exchanges. */
    private static final int PLACES = 6;

    /**
     * Tokens of each rank for each expert. The second rank's experts get none, and one expert gets tokens of one rank
     * only.
     */
    private static final int[][] LOADS = {{3, 5, 0, 0}, {0, 4, 0, 0}};

    /** A top-1 assignment with the given number of tokens per expert. */
    private static AssignedRows assigned(int[] load, boolean even) {
        long[] expertOf = IntStream.range(0, EXPERTS)
                .flatMap(e -> IntStream.generate(() -> e).limit(load[e]))
                .asLongStream()
                .toArray();
        boolean[] wanted = new boolean[expertOf.length];
        Arrays.fill(wanted, true);
        Assignment chosen = new Assignment(
                expertOf.length, 1, EXPERTS, expertOf, wanted, new long[expertOf.length], Long.MAX_VALUE);
        return new AssignedRows(chosen, even ? _ -> PLACES : IntUnaryOperator.identity());
    }

    /** A row's number, which encodes its rank and its index there. */
    private static double number(int rank, int row) {
        return 100 * (rank + 1) + row;
    }

    /** Rows {@code [rows, WIDTH]} filled with their numbers, and with poison in rows without a token. */
    private static Tensor rows(int rank, boolean[] filled, double poison) {
        double[] values = new double[filled.length * WIDTH];
        Arrays.setAll(values, i -> filled[i / WIDTH] ? number(rank, i / WIDTH) : poison);
        return Tensor.of(values).view(-1, WIDTH);
    }

    private static void poisonOthers(Tensor rows, boolean[] filled, double poison) {
        for (int row = 0; row < filled.length; row++) {
            if (!filled[row]) {
                rows.select(0, row).fill(poison);
            }
        }
    }

    /**
     * The rows of this rank's experts that hold a token. They are the first of each sender's rows, and each expert's
     * rows are rounded up. In even exchanges, every place of a sender has a row.
     */
    private static boolean[] filled(int rank, boolean even, int rows) {
        boolean[] filled = new boolean[rows];
        int own = EXPERTS / LOADS.length;
        int start = 0;
        for (int e = rank * own; e < (rank + 1) * own; e++) {
            int next = start;
            for (int[] load : LOADS) {
                Arrays.fill(filled, next, next + load[e], true);
                next += even ? PLACES : load[e];
            }
            start += Math.ceilDiv(next - start, AssignedRows.MULTIPLE) * AssignedRows.MULTIPLE;
        }
        assertThat(rows).isEqualTo(start);
        return filled;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void emptyRowsDoNotReachTokens(boolean even) {
        List<Integer> filledRows = RanksInThreads.run(LOADS.length, processes -> {
            ParallelContext fabric = ParallelContext.of(processes, LOADS.length, Sharding.NONE);
            int rank = processes.rank();
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                AssignedRows assigned = assigned(LOADS[rank], even);
                Tensor like = Tensor.zeros(DType.FLOAT64, Device.CPU, 1, WIDTH);
                ExpertExchange exchange = ExpertExchange.of(fabric.rows(), 3, assigned, even, like, tape);
                boolean[] sent = assigned.filled();
                double[] expected = valuesWhere(true, sent, rows(rank, sent, 0).mul(2));

                // Forward: the experts double their input.
                Tensor arrived = exchange.dispatch(rows(rank, sent, Double.NaN)).await();
                boolean[] filled = filled(rank, even, (int) arrived.size(0));
                Tensor results = arrived.mul(2);
                poisonOthers(results, filled, Double.NaN);
                assertThat(valuesWhere(true, sent, exchange.combine(results).await()))
                        .isEqualTo(expected);

                // Backward: combine gives empty rows a zero gradient, which the products require.
                Tensor gradients = exchange.combineBackward(rows(rank, sent, 0)).await();
                assertThat(Arrays.stream(valuesWhere(false, filled, gradients))).allMatch(value -> value == 0);
                Tensor inner = gradients.mul(2);
                poisonOthers(inner, filled, Double.NaN);
                assertThat(valuesWhere(
                                true, sent, exchange.dispatchBackward(inner).await()))
                        .isEqualTo(expected);
                return (int) IntStream.range(0, filled.length)
                        .filter(row -> filled[row])
                        .count();
            }
        });
        assertThat(filledRows).containsExactly(12, 0);
    }

    /**
     * All sections of an expert layer. Weight gradients sum over all rows, with a zero gradient in empty rows. An empty
     * row is a copy of a filled one, so the poison before the experts is a large finite number. After the experts it is
     * NaN.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void emptyRowsDoNotReachGradients(boolean even) {
        List<List<double[]>> clean = gradients(even, false);
        List<List<double[]>> poisoned = gradients(even, true);
        for (int rank = 0; rank < LOADS.length; rank++) {
            for (int i = 0; i < clean.get(rank).size(); i++) {
                assertThat(poisoned.get(rank).get(i))
                        .as("rank %d, gradient %d", rank, i)
                        .isEqualTo(clean.get(rank).get(i));
            }
        }
        int ofTokens = clean.getFirst().size() - 1;
        for (int i = 0; i < ofTokens; i++) {
            assertThat(clean.getFirst().get(i)).doesNotContain(0);
            assertThat(clean.get(1).get(i)).as("of experts without a token").containsOnly(0);
        }
        assertThat(clean).allSatisfy(rank -> assertThat(rank.get(ofTokens)).doesNotContain(0));
    }

    /** For each rank, the gradients of its experts' parameters, followed by the gradient of its tokens. */
    private static List<List<double[]>> gradients(boolean even, boolean poisoned) {
        double large = poisoned ? 1e4 : 0;
        return RanksInThreads.run(LOADS.length, processes -> {
            ParallelContext fabric = ParallelContext.of(processes, LOADS.length, Sharding.NONE);
            int rank = processes.rank();
            try (Scope _ = Scope.open();
                    Parameters parameters = new Parameters(Precision.FP64, Device.CPU);
                    Tape tape = Tape.recording()) {
                ExpertNetworks.Weights weights = TinyExperts.weights(parameters, EXPERTS / LOADS.length, WIDTH, FFN);
                AssignedRows assigned = assigned(LOADS[rank], even);
                RowIndices routes = RowIndices.of(assigned, DType.FLOAT64, Device.CPU, tape);
                Tensor ones = Tensor.full(
                        1, DType.FLOAT64, Device.CPU, assigned.assignment().tokens(), WIDTH);
                Value tokens = tape.variable(ones.mul(0.5 + rank));
                ExpertExchange exchange = ExpertExchange.of(fabric.rows(), 3, assigned, even, ones, tape);

                Value sent = tape.run(new DispatchSection("dispatch", routes), tokens);
                poisonOthers(sent.tensor(), assigned.filled(), large);
                Value arrived = tape.run(new ExchangeSection("exchange_rows", exchange, false), sent);
                boolean[] filled = filled(rank, even, (int) arrived.tensor().size(0));
                poisonOthers(arrived.tensor(), filled, large);
                Value results = tape.run(section(weights, exchange.rows(), filled.length), arrived);
                poisonOthers(results.tensor(), filled, poisoned ? Double.NaN : 0);
                Value returned = tape.run(new ExchangeSection("exchange_results", exchange, true), results);
                poisonOthers(returned.tensor(), assigned.filled(), poisoned ? Double.NaN : 0);
                Value out = tape.run(
                        new CombineSection("combine", routes, none("combine"), false, 1, null),
                        tape.constant(ones.copy()),
                        returned,
                        tape.constant(Tensor.full(
                                1,
                                DType.FLOAT64,
                                Device.CPU,
                                assigned.assignment().tokens(),
                                1)));
                parameters.startGradients();
                tape.backward(out);
                parameters.finishGradients();
                List<double[]> gradients = new ArrayList<>();
                weights.all()
                        .forEach(parameter -> gradients.add(parameter.gradient().toDoubles()));
                gradients.add(Objects.requireNonNull(tape.gradient(tokens)).toDoubles());
                return gradients;
            }
        });
    }

    private static Dropout none(String site) {
        return new Dropout(0, PassContext.evaluation(1), site);
    }

    private static ExpertsSection section(ExpertNetworks.Weights weights, ExpertRows rows, int count) {
        Tensor choices = Tensor.of(new long[count]);
        return new ExpertsSection(
                "experts",
                ExpertNetworks.of(weights, new InnerActivation(Activation.GELU, false), rows),
                none("activation"),
                new RowChoices(choices, 1),
                false);
    }

    private static double[] valuesWhere(boolean wanted, boolean[] filled, Tensor rows) {
        double[] values = rows.toDoubles();
        return IntStream.range(0, values.length)
                .filter(i -> filled[i / WIDTH] == wanted)
                .mapToDouble(i -> values[i])
                .toArray();
    }
}
