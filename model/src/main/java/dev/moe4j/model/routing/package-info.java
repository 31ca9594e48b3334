/**
 * The router of a mixture layer: {@code RouteSection} computes gate probabilities and the top-k choice under a
 * capacity, {@code Assignment} says which token goes to which expert, {@link BalanceTracker} the load balancing
 * loss. {@link RoutingStatistics} reports load and dropped tokens. Depends on {@code model.block}.
 */
@NullMarked
package dev.moe4j.model.routing;

import org.jspecify.annotations.NullMarked;
