package dev.moe4j.eval;

/** What makes the log-likelihoods of candidates of different lengths comparable. */
enum Normalisation {
    /** Nothing: log P of the scored part. */
    SUM("sum of token log-probabilities"),
    /** log P over the number of scored tokens. */
    MEAN("mean token log-probability"),
    /** log P over the bytes of the scored tokens in UTF-8. */
    BYTES("log-probability per byte"),
    /** log P after the prompt − log P after the answer prompt: pointwise mutual information (Brown et al. 2020). */
    PMI("log-probability minus that after the answer prompt");

    private final String words;

    Normalisation(String words) {
        this.words = words;
    }

    /** As results print it. */
    String words() {
        return words;
    }

    /**
     * The score.
     *
     * @param alone the likelihood after the answer prompt; used by {@link #PMI} only
     */
    double score(Likelihood likelihood, Likelihood alone) {
        return switch (this) {
            case SUM -> likelihood.logProbability();
            case MEAN -> likelihood.logProbability() / likelihood.tokens();
            case BYTES -> likelihood.logProbability() / Math.max(1, likelihood.bytes());
            case PMI -> likelihood.logProbability() - alone.logProbability();
        };
    }
}
