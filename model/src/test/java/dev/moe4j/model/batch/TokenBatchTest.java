package dev.moe4j.model.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import org.junit.jupiter.api.Test;

/** A batch that does not fit the model is refused before the model runs. */
class TokenBatchTest {

    private static final long[] TOKENS = {2, 3, 4, 5};

    @Test
    void onlyMinusOneMeansNone() {
        assertThatThrownBy(() -> new TokenBatch(new long[] {2, -5}, new long[] {3, 4}, 1))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "token -5 at position 1 of a batch: use 0 or more, or -1 for padding after a sequence's end");
        assertThatThrownBy(() -> new TokenBatch(new long[] {2, 3}, new long[] {-5, 4}, 1))
                .isInstanceOf(ModelException.class)
                .hasMessage("target -5 at position 0 of a batch: use 0 or more, or -1 for no target");
        assertThat(new TokenBatch(new long[] {2, TokenBatch.PADDING}, new long[] {3, TokenBatch.NONE}, 1).predicted())
                .isOne();
    }

    @Test
    void batchMustMatchVocabularyAndPass() {
        Architecture architecture =
                new Architecture(TinyModels.mixture(16, 0, 0, 0), TinyModels.dropless(1), BalanceConfig.DEFAULT);
        int vocabulary = architecture.model().vocabulary();
        try (LanguageModel model =
                LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(1))) {
            TokenBatch batch = new TokenBatch(TOKENS, TOKENS, 1);
            assertThatThrownBy(() -> loss(model, batch, PassContext.evaluation(2)))
                    .isInstanceOf(ModelException.class)
                    .hasMessageStartingWith("the pass has 2 sequences, but the batch has 1");
            assertThatThrownBy(() -> loss(
                            model,
                            new TokenBatch(new long[] {2, vocabulary}, new long[] {3, 4}, 1),
                            PassContext.evaluation(1)))
                    .isInstanceOf(ModelException.class)
                    .hasMessage("token %d at position 1 of a batch is not in the model's vocabulary of %d"
                            .formatted(vocabulary, vocabulary));
            assertThatThrownBy(() -> loss(
                            model,
                            new TokenBatch(new long[] {2, 3}, new long[] {3, vocabulary}, 1),
                            PassContext.evaluation(1)))
                    .isInstanceOf(ModelException.class)
                    .hasMessageStartingWith("target " + vocabulary);
            assertThat(loss(model, batch, PassContext.evaluation(1))).isPositive();
        }
    }

    private static double loss(LanguageModel model, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            return model.loss(tape, batch, pass).nll().tensor().sum().item();
        }
    }
}
