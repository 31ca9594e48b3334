package dev.moe4j.bench;

/**
 * How evenly the routers distribute tokens, mean over layers and steps.
 *
 * @param idle share of the experts that received no token
 * @param busiest number of tokens of the most loaded expert, as a multiple of an even share
 */
public record ExpertLoad(double idle, double busiest) {}
