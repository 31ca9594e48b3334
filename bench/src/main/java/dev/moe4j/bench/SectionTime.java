package dev.moe4j.bench;

import java.util.OptionalDouble;

/**
 * The time of one kind of section in a step, in milliseconds.
 *
 * @param forwardMs forward time, summed over all layers
 * @param backwardMs backward time, summed over all layers
 * @param floorMs lower bound of both together, see {@link SectionFloors}; empty if there is no bound
 */
public record SectionTime(String name, double forwardMs, double backwardMs, OptionalDouble floorMs) {}
