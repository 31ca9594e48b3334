/**
 * What ranks tell each other about their health: the exchange that each is in, and which rank differs, is slow or
 * gone. Failure messages come from here. Depends on {@code parallel.layout}.
 */
@NullMarked
package dev.moe4j.parallel.health;

import org.jspecify.annotations.NullMarked;
