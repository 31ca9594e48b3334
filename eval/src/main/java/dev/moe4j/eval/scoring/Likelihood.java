package dev.moe4j.eval.scoring;

/**
 * How likely a model finds the scored part of a {@link Request}.
 *
 * @param logProbability Σ ln p over its tokens, added from left to right
 * @param tokens how many there are
 * @param bytes of their source text in UTF-8
 * @param greedy whether each is the most likely token at its place, so that greedy decoding gives exactly these
 */
public record Likelihood(double logProbability, int tokens, int bytes, boolean greedy) {}
