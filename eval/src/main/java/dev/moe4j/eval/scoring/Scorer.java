package dev.moe4j.eval.scoring;

import java.util.List;

/** Computes log-likelihoods. All implementations give the same, whatever else is asked for at the same time. */
public interface Scorer {

    /**
     * The likelihood of each request's scored part, in the requests' order.
     *
     * @throws dev.moe4j.eval.EvalException if a token is not in the model's vocabulary, or a likelihood is not a number
     */
    List<Likelihood> score(List<Request> requests);
}
