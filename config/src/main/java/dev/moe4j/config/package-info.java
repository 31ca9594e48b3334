/**
 * Typed configuration. {@link ConfigReader} reads YAML and {@code key=value} overrides into records. It rejects unknown
 * keys and suggests the nearest known key. Every error names file, line and key. {@link ConfigWriter} writes records back.
 * Depends on Jackson and {@code base}.
 */
@NullMarked
package dev.moe4j.config;

import org.jspecify.annotations.NullMarked;
