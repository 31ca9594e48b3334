package dev.moe4j.bench;

/**
 * The time of one kind of section in a step, in milliseconds.
 *
 * @param forwardMs over all layers
 * @param backwardMs over all layers
 */
public record SectionTime(String name, double forwardMs, double backwardMs) {}
