/**
 * Typed configuration: {@link ConfigReader} reads YAML and {@code key=value} overrides into records, refuses
 * unknown keys with the nearest known key, and names file, line and key in every error. {@link ConfigWriter}
 * writes records back. Depends on Jackson and {@code base}.
 */
@NullMarked
package dev.moe4j.config;

import org.jspecify.annotations.NullMarked;
