package dev.moe4j.eval;

import java.util.List;

/** Computes log-likelihoods. All implementations give the same, whatever else is asked for at the same time. */
interface Scorer {

    /**
     * The likelihood of each request's scored part, in the requests' order.
     *
     * @throws EvalException if a token is not in the model's vocabulary, or a likelihood is not a number
     */
    List<Likelihood> score(List<Request> requests);
}
