package dev.moe4j.report.statistics;

/**
 * What models are compared by: a group's mean, or one member of it.
 *
 * @param member name of a text or task; empty for the mean over all
 */
public record Figure(Group group, String member) {

    /** What a figure is of. */
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

        /** Perplexities are; accuracies are not. */
        public boolean lowerIsBetter() {
            return lowerIsBetter;
        }

        public String word() {
            return lowerIsBetter ? "perplexity" : "accuracy";
        }
    }

    public static Figure mean(Group group) {
        return new Figure(group, "");
    }

    public boolean isMean() {
        return member.isEmpty();
    }
}
