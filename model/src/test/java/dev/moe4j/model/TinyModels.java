package dev.moe4j.model;

import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.FeedForwardConfig;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.MultiplierConfig;
import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.model.spec.SharedExpertConfig;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Small models and batches for tests. */
public final class TinyModels {

    public static final int PADDING = 1;

    private TinyModels() {}

    public static ModelConfig mixture(int width, int experts, int shared, double dropout) {
        return new ModelConfig(
                3,
                width,
                2,
                width + 4,
                24,
                32,
                Activation.GELU,
                dropout,
                dropout,
                PADDING,
                experts,
                1,
                width / 2,
                shared);
    }

    /** The architecture with today's block: rotary positions, RMSNorm, shared key heads, SwiGLU, a sigmoid gate. */
    public static Architecture modern(Architecture architecture) {
        ModelConfig model = architecture.model().toBuilder()
                .heads(4)
                .positions(Positions.ROPE)
                .activation(Activation.SILU)
                .sharedExperts(1)
                .norm(NormConfig.RMS)
                .attention(new AttentionConfig(2, 0, AttentionConfig.Bias.NONE, AttentionConfig.QkNorm.HEAD, 0))
                .feedForward(new FeedForwardConfig(true, false))
                .shared(new SharedExpertConfig(0, true))
                .multipliers(MultiplierConfig.NONE)
                .build();
        GateConfig gate = new GateConfig(GateConfig.Scores.SIGMOID, true, true, 2.5);
        return new Architecture(model, architecture.routing().withGate(gate), architecture.balance());
    }

    public static RoutingConfig dropless(int k) {
        return new RoutingConfig(
                RoutingConfig.Strategy.DROPLESS, k, 1, 1, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
    }

    public static RoutingConfig capacity(int k) {
        return new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, k, 1, 1, 0.25, false, RoutingConfig.SecondExpert.ALL, false, true);
    }

    /** Random tokens without padding, each with its successor as target. */
    public static TokenBatch batch(long seed, int sequences, int length, int vocabulary) {
        SplittableRandom random = new SplittableRandom(seed);
        long[] tokens = random.longs((long) sequences * length, 2, vocabulary).toArray();
        long[] targets = random.longs((long) sequences * length, 2, vocabulary).toArray();
        return new TokenBatch(tokens, targets, sequences);
    }

    /** The batch with padding after the tokens and, in its second sequence, before them. */
    public static TokenBatch padded(TokenBatch batch) {
        long[] tokens = batch.tokens().clone();
        long[] targets = batch.targets().clone();
        int length = batch.length();
        Arrays.fill(tokens, length - 2, length, PADDING);
        Arrays.fill(targets, length - 3, length, TokenBatch.NONE);
        Arrays.fill(tokens, length, length + 2, PADDING);
        Arrays.fill(targets, length, length + 2, TokenBatch.NONE);
        return new TokenBatch(tokens, targets, batch.sequences());
    }

    /** One sequence of a batch. */
    static TokenBatch sequence(TokenBatch batch, int index) {
        int from = index * batch.length();
        int to = from + batch.length();
        return new TokenBatch(
                Arrays.copyOfRange(batch.tokens(), from, to), Arrays.copyOfRange(batch.targets(), from, to), 1);
    }
}
