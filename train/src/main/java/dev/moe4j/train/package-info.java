/** The trainer: optimizer, schedules, checkpoint writing, telemetry. */
@NullMarked
package dev.moe4j.train;

import org.jspecify.annotations.NullMarked;
