/**
 * Model descriptions. {@link ModelConfig}, {@link RoutingConfig} and {@link BalanceConfig} are configuration records,
 * {@link Architecture} combines them, and {@link Presets} names common ones. {@link Recompute} and {@link
 * ExpertGradients} are training options. Depends on {@code config}.
 */
@NullMarked
package dev.moe4j.model.spec;

import org.jspecify.annotations.NullMarked;
