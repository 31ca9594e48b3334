/**
 * The safetensors format. {@link SafetensorsFile} maps a file into memory and validates its header, because files may be
 * hostile. {@link SafetensorsWriter} writes a file atomically. Depends on {@code base}, {@code formats} and Jackson.
 */
@NullMarked
package dev.moe4j.formats.safetensors;

import org.jspecify.annotations.NullMarked;
