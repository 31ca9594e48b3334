package dev.moe4j.study.steps;

import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The table of contents of a study, {@code study.json} in its folder. It lists each run with the names of its steps,
 * which are folders below {@code steps}. The measured values are in the steps' results.
 *
 * @param title heading of the report
 * @param machine the machine in words
 * @param watts assumed power of one run if its energy was not measured
 * @param threads threads of each run
 * @param inDomain names of evaluation texts from the training domains
 * @param outOfDomain names of evaluation texts from other domains
 * @param runs all trained models
 */
public record StudyIndex(
        String title,
        String machine,
        double watts,
        int threads,
        List<String> inDomain,
        List<String> outOfDomain,
        List<Run> runs) {

    public static final String FILE = "study.json";

    /** Configuration keys that do not affect a run's result. */
    public static final Set<String> WITHOUT_EFFECT = Set.of("log", "checkpoint", "recompute");

    public StudyIndex {
        inDomain = List.copyOf(inDomain);
        outOfDomain = List.copyOf(outOfDomain);
        runs = List.copyOf(runs);
    }

    /**
     * One training run and the names of its steps.
     *
     * @param model the model's name
     * @param data name of the training text
     * @param dataKey identifies the training text's content
     * @param tokenizer tokenizer of the training text
     * @param experts experts of each MoE layer; 0 for a dense model
     * @param parametersTotal all parameters
     * @param parametersActive parameters that one token uses
     * @param flopsPerToken training FLOPs per token, router included
     * @param routerFlopsPerToken the router's part of {@code flopsPerToken}
     * @param publishedFlopsPerToken training FLOPs per token by the published study's formula, with activation
     *     recomputation and without the router
     * @param configuration resolved configuration as YAML
     * @param tokens training tokens
     * @param seed the run's seed
     * @param train name of the training step
     * @param overlap name of the step that searches the training text for evaluation texts; null in studies from before
     *     this step existed
     * @param perplexity name of the perplexity step; null if not requested
     * @param zeroShot name of the zero-shot step; null if not requested
     * @param fewShot name of the few-shot step; null if not requested
     * @param bias name of the bias step; null if not requested
     * @param finetune names of the fine-tuning steps
     */
    public record Run(
            String model,
            String data,
            String dataKey,
            String tokenizer,
            int experts,
            long parametersTotal,
            long parametersActive,
            double flopsPerToken,
            double routerFlopsPerToken,
            double publishedFlopsPerToken,
            String configuration,
            long tokens,
            long seed,
            String train,
            @Nullable String overlap,
            @Nullable String perplexity,
            @Nullable String zeroShot,
            @Nullable String fewShot,
            @Nullable String bias,
            List<String> finetune) {

        /** Top-level YAML keys with their nested lines. */
        private static final Pattern NOT_THE_MODEL =
                Pattern.compile("(?m)^(seed|" + String.join("|", WITHOUT_EFFECT) + "):.*\\R?(^[ \\t].*\\R?)*");

        public Run {
            finetune = List.copyOf(finetune);
        }

        public boolean isDense() {
            return experts == 0;
        }

        /** The configuration without the seed and {@link #WITHOUT_EFFECT}; equal for all seeds of a model. */
        public String recipe() {
            return NOT_THE_MODEL.matcher(configuration).replaceAll("");
        }
    }
}
