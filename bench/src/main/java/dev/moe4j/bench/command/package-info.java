/**
 * The commands of {@code moe4j bench}, one for each benchmark, and the HTTP load generator of {@code bench serve}.
 * Depends on {@code bench} and {@code console}.
 */
@NullMarked
package dev.moe4j.bench.command;

import org.jspecify.annotations.NullMarked;
