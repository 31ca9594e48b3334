/**
 * The safetensors format: {@link SafetensorsFile} maps a file and checks its header, {@link SafetensorsWriter}
 * writes one atomically. Nothing in a file is trusted. Depends on {@code base} and Jackson.
 */
@NullMarked
package dev.moe4j.formats.safetensors;

import org.jspecify.annotations.NullMarked;
