package dev.moe4j.bench;

/**
 * How evenly routers deal out, in the mean over layers and steps.
 *
 * @param idle the share of the experts that got no token
 * @param busiest the choices of the expert that got the most, as a multiple of an even share
 */
public record ExpertLoad(double idle, double busiest) {}
