/**
 * What a model is: {@link ModelConfig}, {@link RoutingConfig} and {@link BalanceConfig} are configuration records,
 * {@link Architecture} holds them together, {@link Presets} names common ones. Depends on {@code config}.
 */
@NullMarked
package dev.moe4j.model.spec;

import org.jspecify.annotations.NullMarked;
