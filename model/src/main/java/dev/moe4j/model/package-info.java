/** Configuration, presets and cost; layers, routing and experts; checkpoint names and reading. */
@NullMarked
package dev.moe4j.model;

import org.jspecify.annotations.NullMarked;
