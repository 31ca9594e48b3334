package dev.moe4j.bench;

import java.util.OptionalDouble;

/**
 * The time of one kind of section in a step, in milliseconds.
 *
 * @param forwardMs over all layers
 * @param backwardMs over all layers
 * @param floorMs the least that both can take, by {@link SectionFloors}; empty where none is known
 */
public record SectionTime(String name, double forwardMs, double backwardMs, OptionalDouble floorMs) {}
