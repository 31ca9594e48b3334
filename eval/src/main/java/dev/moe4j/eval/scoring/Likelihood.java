package dev.moe4j.eval.scoring;

/**
 * The log-likelihood of the scored part of a {@link Request}.
 *
 * @param logProbability Σ ln p over its tokens, summed from left to right
 * @param tokens number of scored tokens
 * @param bytes bytes of their source text in UTF-8
 * @param greedy whether every token is the most likely one, so that greedy decoding gives exactly these tokens
 */
public record Likelihood(double logProbability, int tokens, int bytes, boolean greedy) {}
