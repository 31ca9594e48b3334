package dev.moe4j.model.block;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Golden;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Compares the position table with the published one, bit by bit. */
class SinusoidalGoldenTest {

    private static final Pattern TABLE = Pattern.compile("table_d(\\d+)_n(\\d+)_pad(\\d+|None)");

    @TestFactory
    Stream<DynamicTest> sinusoidal() {
        return Golden.tests("sinusoidal", golden -> {
            Matcher table = TABLE.matcher(golden.name());
            try (Scope _ = Scope.open()) {
                float[] actual = table.matches() ? table(table) : embedded(golden.tensors(), golden.name());
                assertThat(actual).isEqualTo(golden.tensors().floats(golden.name()));
            }
        });
    }

    private static float[] table(Matcher name) {
        int padding = name.group(3).equals("None") ? -1 : Integer.parseInt(name.group(3));
        return SinusoidalPositions.table(Integer.parseInt(name.group(2)), Integer.parseInt(name.group(1)), padding)
                .toFloats();
    }

    /** The position rows of a batch's tokens; padding has row 1. */
    private static float[] embedded(Golden.Tensors data, String name) {
        long[] tokens = data.longs("tokens");
        long[] positions = data.longs("positions");
        int padding = -1;
        for (int i = 0; i < tokens.length; i++) {
            padding = positions[i] == SinusoidalPositions.PADDING_ROW ? (int) tokens[i] : padding;
        }
        TokenBatch batch = new TokenBatch(tokens, tokens, (int) data.shape("tokens")[0]);
        long[] rows = SinusoidalPositions.rows(batch, padding);
        assertThat(rows).isEqualTo(positions);
        int width = (int) data.shape(name)[2];
        Tensor table = SinusoidalPositions.table(
                batch.length() + SinusoidalPositions.FIRST_ROW, width, SinusoidalPositions.PADDING_ROW);
        return Functions.embedding(table, Tensor.of(rows)).toFloats();
    }
}
