package dev.moe4j.report.pair;

import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.LearningCurve;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The results of one trained model for a report.
 *
 * @param name name of the model, such as {@code dense} or {@code 32 experts, top-2}
 * @param configuration the resolved configuration as YAML
 * @param parametersTotal all parameters
 * @param parametersActive the parameters that one token uses
 * @param flopsPerToken training FLOPs per token, forward and backward, router included
 * @param routerFlopsPerToken the router's part of {@code flopsPerToken}; 0 for a dense model
 * @param tokens training tokens
 * @param seconds training time, without evaluations
 * @param finalLearningRate the learning rate of the last step
 * @param perplexities final perplexities by held-out text, in display order
 * @param trainingLoss training loss in nats per token, over training tokens
 * @param curves held-out learning curves by group ({@code in-domain}, {@code out-of-domain}), in display order
 * @param throughput training tokens per second over seconds of training
 * @param utilisation share of the measured matmul peak, from 0 to 1, over seconds of training
 * @param expertLoad load of each MoE layer; empty for a dense model
 */
public record RunSummary(
        String name,
        String configuration,
        long parametersTotal,
        long parametersActive,
        double flopsPerToken,
        double routerFlopsPerToken,
        long tokens,
        double seconds,
        double finalLearningRate,
        SequencedMap<String, DomainPerplexity> perplexities,
        Series trainingLoss,
        SequencedMap<String, LearningCurve> curves,
        Series throughput,
        Series utilisation,
        List<LayerLoad> expertLoad) {

    /**
     * A model's perplexity on one held-out text.
     *
     * @param perplexity perplexity per token
     * @param inDomain whether the text is from a training domain
     */
    public record DomainPerplexity(double perplexity, boolean inDomain) {
        public DomainPerplexity {
            if (!(perplexity >= 1)) {
                throw new IllegalArgumentException("A perplexity is at least 1, not " + perplexity);
            }
        }
    }

    public RunSummary {
        perplexities = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(perplexities));
        curves = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(curves));
        expertLoad = List.copyOf(expertLoad);
    }
}
