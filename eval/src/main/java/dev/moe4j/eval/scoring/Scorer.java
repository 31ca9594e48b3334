package dev.moe4j.eval.scoring;

import java.util.List;

/**
 * Computes log-likelihoods of requests. All implementations return the same values, and a request's value does not
 * depend on the other requests.
 */
public interface Scorer {

    /**
     * Scores requests.
     *
     * @return the likelihood of each request's scored part, in the order of the requests
     * @throws dev.moe4j.eval.EvalException if a token is outside the model's vocabulary, or a likelihood is not finite
     */
    List<Likelihood> score(List<Request> requests);
}
