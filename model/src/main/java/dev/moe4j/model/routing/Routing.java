package dev.moe4j.model.routing;

import dev.moe4j.model.block.Logits;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.RandomKey;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A routing strategy: makes an {@link Assignment} from a router's logits.
 *
 * <p>The router gives each token one logit per expert; the gate probabilities are p = softmax(logits). <i>Top-k</i>
 * routing picks the k experts with the highest logits. Their outputs are weighted by p, scaled to a sum of 1 for k > 1
 * (Shazeer et al. 2017). For k = 1 the raw p must stay, or the router gets no gradient (Fedus et al. 2021).
 *
 * <p><i>Dropless</i> routing computes every choice, however uneven the load of the experts (Gale et al. 2022).
 *
 * <p><i>Capacity</i> routing gives each expert a fixed number of places per group of tokens, so every expert's work has
 * the same shape. The capacity factor scales that number. A choice that finds no place is dropped (token dropping). A
 * token without any expert passes through the residual connection only (Lepikhin et al. 2020). All first choices take
 * their places before any second choice. A second choice queues after every first choice, including dropped ones, as in
 * the published system. Batch-prioritized routing serves tokens in order of decreasing confidence (Riquelme et al.
 * 2021).
 */
public sealed interface Routing {

    /** The strategy of a configuration. */
    static Routing of(RoutingConfig config) {
        return switch (config.strategy()) {
            case DROPLESS -> new Dropless(config.topK());
            case CAPACITY -> new Capacity(config);
        };
    }

    int topK();

    Assignment assign(Request request);

    /**
     * The input of a strategy.
     *
     * @param logits the router's logits of all tokens
     * @param probabilities computes their softmax, {@code [tokens · experts]}, for strategies that need it
     * @param groups the number of routing groups; groups are consecutive and of equal size
     * @param padding mask of padding, which takes no place; null if there is none
     * @param training whether the training capacity applies
     * @param noise the source of random numbers
     */
    record Request(
            Logits logits,
            Supplier<double[]> probabilities,
            int groups,
            boolean @Nullable [] padding,
            boolean training,
            Noise noise) {

        int tokens() {
            return logits.tokens();
        }

        int experts() {
            return logits.experts();
        }
    }

    /** Random numbers for policies that draw second choices. Tests pass fixed values. */
    interface Noise {
        /** Gumbel noise to add to the logits, {@code [tokens · experts]}. */
        double[] gumbel(int count);

        /** Uniform numbers in [0, 1), {@code [tokens]}. */
        double[] uniform(int count);

        /**
         * Noise that depends only on the key and each sequence's global number. It does not depend on the other
         * sequences in the batch.
         *
         * @param sequences each sequence's global number; all sequences have the same number of tokens
         */
        static Noise of(RandomKey key, long[] sequences) {
            return new Noise() {
                @Override
                public double[] gumbel(int count) {
                    double tiny = Double.MIN_NORMAL;
                    return draw(count)
                            .map(u -> -Math.log(Math.max(tiny, -Math.log(Math.max(tiny, u)))))
                            .toArray();
                }

                @Override
                public double[] uniform(int count) {
                    return draw(count).toArray();
                }

                private DoubleStream draw(int count) {
                    return Arrays.stream(sequences)
                            .mapToObj(sequence ->
                                    new SplittableRandom(key.fold(sequence).value()))
                            .flatMapToDouble(random -> random.doubles(count / sequences.length));
                }
            };
        }
    }

    /** Dropless top-k: every choice is computed. */
    record Dropless(int topK) implements Routing {

        @Override
        public Assignment assign(Request request) {
            long[] expertOf = highest(request.logits(), topK);
            boolean[] wanted = wanted(request, topK);
            return new Assignment(
                    request.tokens(),
                    topK,
                    request.experts(),
                    expertOf,
                    wanted,
                    new long[expertOf.length],
                    Long.MAX_VALUE);
        }
    }

    /** Top-k with token dropping: a fixed number of places per expert and group. */
    record Capacity(RoutingConfig config) implements Routing {

        @Override
        public int topK() {
            return config.topK();
        }

        /** The capacity: each expert's places in a group of the given number of tokens. */
        public long capacity(long groupTokens, int experts, boolean training) {
            if (!training && config.evaluationCapacity() > 0) {
                return (long) Math.ceil(config.evaluationCapacity() * groupTokens);
            }
            return (long) Math.floor(topK() * config.capacityFactor() * Math.ceilDiv(groupTokens, experts));
        }

        @Override
        public Assignment assign(Request request) {
            int tokens = request.tokens();
            int experts = request.experts();
            int k = topK();
            long[] expertOf = highest(request.logits(), k);
            boolean[] wanted = wanted(request, k);
            switch (config.secondExpert()) {
                case ALL -> {}
                case SAMPLING -> sampleSecond(request, expertOf);
                case RANDOM -> thinSecond(request, expertOf, wanted);
            }
            int groupTokens = tokens / request.groups();
            long[] placeOf = new long[expertOf.length];
            for (int group = 0; group < request.groups(); group++) {
                int[] order = order(request, group * groupTokens, groupTokens);
                long[] queue = new long[experts];
                for (int rank = 0; rank < k; rank++) {
                    for (int token : order) {
                        int choice = token * k + rank;
                        if (wanted[choice]) {
                            placeOf[choice] = queue[(int) expertOf[choice]]++;
                        }
                    }
                }
            }
            long capacity = capacity(groupTokens, experts, request.training());
            return new Assignment(tokens, k, experts, expertOf, wanted, placeOf, capacity);
        }

        private int[] order(Request request, int first, int count) {
            if (!config.batchPrioritized()) {
                return IntStream.range(first, first + count).toArray();
            }
            double[] probabilities = request.probabilities().get();
            double[] confidence = new double[count];
            for (int i = 0; i < count; i++) {
                int row = (first + i) * request.experts();
                confidence[i] = Arrays.stream(probabilities, row, row + request.experts())
                        .max()
                        .orElse(0);
            }
            return IntStream.range(0, count)
                    .boxed()
                    .sorted(Comparator.comparingDouble(i -> -confidence[i]))
                    .mapToInt(i -> first + i)
                    .toArray();
        }

        private static void sampleSecond(Request request, long[] expertOf) {
            int experts = request.experts();
            double[] noise = request.noise().gumbel(request.tokens() * experts);
            double[] row = new double[experts];
            for (int token = 0; token < request.tokens(); token++) {
                request.logits().read(token, row);
                int best = -1;
                for (int e = 0; e < experts; e++) {
                    row[e] += noise[token * experts + e];
                    if (e != expertOf[2 * token] && (best < 0 || row[e] > row[best])) {
                        best = e;
                    }
                }
                expertOf[2 * token + 1] = best;
            }
        }

        private void thinSecond(Request request, long[] expertOf, boolean[] wanted) {
            int experts = request.experts();
            double[] uniform = request.noise().uniform(request.tokens());
            double[] probabilities = request.probabilities().get();
            for (int token = 0; token < request.tokens(); token++) {
                double first = probabilities[token * experts + (int) expertOf[2 * token]];
                double second = probabilities[token * experts + (int) expertOf[2 * token + 1]];
                double weight = config.normalizeBeforeDropping() ? second / (first + second) : second;
                wanted[2 * token + 1] &= 2 * weight > uniform[token];
            }
        }
    }

    /** The experts of each token's k highest logits, highest first; ties go to the lower expert index. */
    private static long[] highest(Logits logits, int k) {
        int experts = logits.experts();
        long[] chosen = new long[logits.tokens() * k];
        double[] row = new double[experts];
        boolean[] taken = new boolean[experts];
        for (int token = 0; token < logits.tokens(); token++) {
            logits.read(token, row);
            for (int rank = 0; rank < k; rank++) {
                int best = -1;
                for (int e = 0; e < experts; e++) {
                    if (!taken[e] && (best < 0 || row[e] > row[best])) {
                        best = e;
                    }
                }
                taken[best] = true;
                chosen[token * k + rank] = best;
            }
            for (int rank = 0; rank < k; rank++) {
                taken[(int) chosen[token * k + rank]] = false;
            }
        }
        return chosen;
    }

    private static boolean[] wanted(Request request, int k) {
        boolean[] wanted = new boolean[request.tokens() * k];
        boolean[] padding = request.padding();
        for (int choice = 0; choice < wanted.length; choice++) {
            wanted[choice] = padding == null || !padding[choice / k];
        }
        return wanted;
    }
}
