package dev.moe4j.report.statistics;

/**
 * The metric that models are compared by: the perplexity on a text, the accuracy on a task, or a group's mean.
 *
 * @param group the group of texts or tasks
 * @param member name of a text or task; empty for the group's mean
 */
public record QualityMetric(Group group, String member) {

    /** A group of texts or tasks whose results can be averaged. */
    public enum Group {
        IN_DOMAIN("in-domain", true),
        OUT_OF_DOMAIN("out-of-domain", true),
        ZERO_SHOT("zero-shot", false);

        private final String label;
        private final boolean lowerIsBetter;

        Group(String label, boolean lowerIsBetter) {
            this.label = label;
            this.lowerIsBetter = lowerIsBetter;
        }

        /** The name in running text. */
        public String label() {
            return label;
        }

        /** True for perplexities, false for accuracies. */
        public boolean lowerIsBetter() {
            return lowerIsBetter;
        }

        /** {@code perplexity} or {@code accuracy}. */
        public String word() {
            return lowerIsBetter ? "perplexity" : "accuracy";
        }
    }

    /** The mean over all of a group's texts or tasks. */
    public static QualityMetric mean(Group group) {
        return new QualityMetric(group, "");
    }

    public boolean isMean() {
        return member.isEmpty();
    }
}
