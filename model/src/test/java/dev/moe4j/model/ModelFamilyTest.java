package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares the logits of public model families with those that independent engines recorded. */
class ModelFamilyTest {

    private static final double BOUND = 5e-5;

    @ParameterizedTest
    @CsvSource({
        "glm4_moe, false",
        "granitemoe, false",
        "llama, false",
        "mixtral, false",
        "olmoe, false",
        "qwen2_moe, false",
        "qwen3, false",
        "qwen3_moe, false",
        "glm4_moe, true",
        "granitemoe, true",
        "llama, true",
        "mixtral, true",
        "olmoe, true",
        "qwen2_moe, true",
        "qwen3, true",
        "qwen3_moe, true"
    })
    void logitsEqualRecordedOnes(String family, boolean reference) {
        try (HuggingFaceFixture fixture = new HuggingFaceFixture(family);
                Scope _ = Scope.open();
                LanguageModel model = fixture.model(Precision.FP32)) {
            if (reference) {
                model.useReferenceSections();
            }
            long[] none = new long[fixture.ids().length];
            Arrays.fill(none, TokenBatch.NONE);
            Tensor logits = model.logits(new TokenBatch(fixture.ids(), none, 1));
            requireEqual(logits.toDoubles(), fixture.logits());
        }
    }

    /** The first half is a prefill; then tokens follow one by one. */
    @ParameterizedTest
    @ValueSource(strings = {"glm4_moe", "granitemoe", "llama", "mixtral", "olmoe", "qwen2_moe", "qwen3", "qwen3_moe"})
    void decodedLogitsEqualRecordedOnes(String family) {
        try (HuggingFaceFixture fixture = new HuggingFaceFixture(family);
                Scope _ = Scope.open();
                LanguageModel model = fixture.model(Precision.FP32);
                Decoder decoder = Decoder.of(model, 1, fixture.ids().length)) {
            int[] ids = Arrays.stream(fixture.ids()).mapToInt(Math::toIntExact).toArray();
            int half = ids.length / 2;
            Tensor prefill = decoder.extend(Arrays.copyOf(ids, half));
            double[] expected = fixture.logits();
            int vocabulary = expected.length / ids.length;
            requireEqual(prefill.toDoubles(), Arrays.copyOf(expected, half * vocabulary));
            for (int i = half; i < ids.length; i++) {
                Tensor next = decoder.extend(new int[] {ids[i]});
                requireEqual(next.toDoubles(), Arrays.copyOfRange(expected, i * vocabulary, (i + 1) * vocabulary));
            }
        }
    }

    private static void requireEqual(double[] logits, double[] expected) {
        assertThat(logits).hasSameSizeAs(expected);
        double largest = 0;
        for (int i = 0; i < logits.length; i++) {
            largest = Math.max(largest, Math.abs(logits[i] - expected[i]));
        }
        assertThat(largest).isLessThanOrEqualTo(BOUND);
    }
}
