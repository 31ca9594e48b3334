/**
 * Health checks between ranks. {@link Peers} asks other ranks which collective they are in and reports failures to them,
 * and {@link FailureDiagnosis} finds the rank at fault and writes the message. {@link ExchangeProgress} records this
 * rank's progress. Depends on {@code parallel.layout}.
 */
@NullMarked
package dev.moe4j.parallel.health;

import org.jspecify.annotations.NullMarked;
