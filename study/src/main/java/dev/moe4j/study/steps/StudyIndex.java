package dev.moe4j.study.steps;

import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a study consists of, {@code study.json} in its folder: each run with the names of its steps, which are folders
 * below {@code steps}. The figures are in the steps' results; a report reads those that are there.
 *
 * @param watts that one run is taken to draw where energy was not measured
 * @param threads of each run
 * @param inDomain names of texts of the kinds that were trained on
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

    /** Keys of a run's configuration that its result does not depend on. */
    public static final Set<String> WITHOUT_EFFECT = Set.of("log", "checkpoint", "recompute");

    public StudyIndex {
        inDomain = List.copyOf(inDomain);
        outOfDomain = List.copyOf(outOfDomain);
        runs = List.copyOf(runs);
    }

    /**
     * One trained model.
     *
     * @param data name of its training text
     * @param dataKey tells texts of one name apart
     * @param tokenizer of the text
     * @param experts of each MoE layer; 0 for a dense model
     * @param flopsPerToken of training, the router's included
     * @param publishedFlopsPerToken by the study's formula: with recomputation and without the router
     * @param configuration as YAML
     * @param tokens trained on
     * @param train its step; the others likewise, null where not asked for
     * @param overlap the step that looks for evaluation texts in the training text; null in studies made before it existed
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

        /** Keys at the first level of YAML, with what is below them. */
        private static final Pattern NOT_THE_MODEL =
                Pattern.compile("(?m)^(seed|" + String.join("|", WITHOUT_EFFECT) + "):.*\\R?(^[ \\t].*\\R?)*");

        public Run {
            finetune = List.copyOf(finetune);
        }

        public boolean isDense() {
            return experts == 0;
        }

        /** The configuration without its seed and what has no effect, which runs of one model have in common. */
        public String recipe() {
            return NOT_THE_MODEL.matcher(configuration).replaceAll("");
        }
    }
}
