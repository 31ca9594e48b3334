/**
 * The router of a mixture-of-experts layer. {@code RouteSection} computes gate probabilities, the top-k choices and the
 * load balancing loss. {@link Routing} holds the strategies: dropless, or token dropping under a capacity factor.
 * {@link Assignment} records which token goes to which expert. {@link BalanceTracker} carries expert loads from step to
 * step, and {@link RoutingStatistics} reports load and dropped tokens. Depends on {@code model.block}.
 */
@NullMarked
package dev.moe4j.model.routing;

import org.jspecify.annotations.NullMarked;
