package dev.moe4j.eval.scoring;

import dev.moe4j.eval.EvalException;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Tensor;
import java.util.List;

/**
 * Log-probabilities of tokens, and whether each token is a most likely one.
 *
 * @param values ln p, {@code [tokens]}
 * @param greedy whether greedy decoding gives the token, {@code [tokens]}
 */
record LogProbabilities(double[] values, boolean[] greedy) {

    /**
     * Computes the log-probability of each row's target.
     *
     * @param logits_RV logits, {@code [targets, vocabulary]}
     * @param targets the target token of each row
     */
    static LogProbabilities of(Tensor logits_RV, List<Integer> targets, Precision precision) {
        Tensor logits = logits_RV.to(precision.stable());
        Tensor index_R1 = Tensor.of(
                        targets.stream().mapToLong(Integer::longValue).toArray())
                .unsqueeze(1)
                .to(logits_RV.device());
        Tensor target_R = logits.gather(1, index_R1).squeeze(1);
        double[] values = target_R.sub(logits.logSumExp(-1)).toDoubles();
        double[] below = target_R.sub(logits.amax(1)).toDoubles();
        boolean[] greedy = new boolean[below.length];
        for (int i = 0; i < below.length; i++) {
            greedy[i] = below[i] >= 0;
        }
        return new LogProbabilities(values, greedy);
    }

    /**
     * Sums the log-probabilities of a request.
     *
     * @param row the row of its first scored token
     * @throws EvalException if the sum is not finite
     */
    Likelihood likelihood(Request request, int row) {
        double sum = 0;
        boolean all = true;
        for (int t = request.from(); t < request.length(); t++) {
            int i = row + t - request.from();
            sum += values[i];
            all &= greedy[i];
        }
        if (!Double.isFinite(sum)) {
            throw new EvalException(
                    "a log-probability is " + sum + ": the parameters are damaged or the precision is too low;"
                            + " use an earlier checkpoint or fp32");
        }
        return new Likelihood(sum, request.length() - request.from(), request.bytes(), all);
    }

    /**
     * Checks a request's tokens.
     *
     * @throws EvalException if a token is outside the model's vocabulary
     */
    static void checkVocabulary(Request request, int vocabulary) {
        for (int token : request.tokens()) {
            if (token >= vocabulary) {
                throw new EvalException("the text has the token id " + token + ", but the model's vocabulary has "
                        + vocabulary + " entries; score with the model's tokenizer");
            }
        }
    }
}
