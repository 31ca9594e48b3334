package dev.moe4j.eval;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A Transformer over bytes whose weights are set by hand, so that the next token depends only on the last token and its
 * position. Tests can compute every likelihood independently in a few lines.
 *
 * <p>Attention and feed-forward network add nothing. The logits are the output table times the normalised sum of a unit
 * vector for the token and a random vector for the position.
 */
public final class BigramModel implements AutoCloseable {

    public static final Tokenizer TOKENIZER = Tokenizer.of("bytes");
    private static final int WIDTH = 264;
    private static final int FIRST_ROW = 2;

    private final LanguageModel model;
    private final double[][] output = new double[WIDTH][WIDTH];
    private final double[][] positions;

    /** @param favoured a text in which each byte makes the next byte the most likely one */
    public BigramModel(long seed, int context, String favoured) {
        SplittableRandom random = new SplittableRandom(seed);
        positions = new double[context + FIRST_ROW][WIDTH];
        for (double[] row : output) {
            Arrays.setAll(row, _ -> 0.1 * random.nextGaussian());
        }
        for (double[] row : positions) {
            Arrays.setAll(row, _ -> random.nextGaussian());
        }
        int[] chain = TOKENIZER.encode(favoured);
        for (int i = 1; i < chain.length; i++) {
            output[chain[i]][chain[i - 1]] = 3;
        }
        ModelConfig config = new ModelConfig(1, WIDTH, 4, 8, WIDTH, context, Activation.GELU, 0, 0, -1, 0, 1, 0, 0)
                .withEmbeddings(Positions.LEARNED, false);
        model = LanguageModel.initialize(
                new Architecture(config, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT),
                Precision.FP64,
                Device.CPU,
                new RandomKey(0));
        setWeights();
    }

    private void setWeights() {
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                parameter.master().zero();
            }
            double[][] identity = new double[WIDTH][WIDTH];
            for (int i = 0; i < WIDTH; i++) {
                identity[i][i] = 1;
            }
            set("model.embed_tokens.weight", identity);
            set("model.embed_positions.weight", positions);
            set("lm_head.weight", output);
            model.parameters().get("model.layer_norm.weight").master().fill(1);
        }
        model.parameters().refresh();
    }

    private void set(String name, double[][] rows) {
        double[] flat = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        model.parameters().get(name).master().copy(Tensor.of(flat).view(rows.length, WIDTH));
    }

    public LanguageModel model() {
        return model;
    }

    /** The logits of the token after a given one. */
    private double[] logits(int token, int place) {
        double[] x = positions[place + FIRST_ROW].clone();
        x[token] += Math.sqrt(WIDTH);
        double mean = Arrays.stream(x).average().orElseThrow();
        double variance =
                Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
        double[] logits = new double[WIDTH];
        for (int j = 0; j < WIDTH; j++) {
            for (int i = 0; i < WIDTH; i++) {
                logits[j] += output[j][i] * (x[i] - mean) / Math.sqrt(variance + 1e-5);
            }
        }
        return logits;
    }

    /** ln p of each token of a text from {@code from} on. */
    public double[] logProbabilities(int[] tokens, int from) {
        double[] values = new double[tokens.length - from];
        for (int t = from; t < tokens.length; t++) {
            double[] logits = logits(tokens[t - 1], t - 1);
            double sum = Arrays.stream(logits).map(Math::exp).sum();
            values[t - from] = logits[tokens[t]] - Math.log(sum);
        }
        return values;
    }

    /** Whether a text's tokens from {@code from} on are each the most likely one. */
    boolean isGreedy(int[] tokens, int from) {
        boolean all = true;
        for (int t = from; t < tokens.length; t++) {
            double[] logits = logits(tokens[t - 1], t - 1);
            all &= Arrays.stream(logits).max().orElseThrow() == logits[tokens[t]];
        }
        return all;
    }

    @Override
    public void close() {
        model.close();
    }
}
