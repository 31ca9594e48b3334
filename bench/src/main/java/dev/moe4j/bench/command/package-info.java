/**
 * The commands of {@code moe4j bench}: {@link BenchCommand} lists them. Each command is a class of options next to the
 * class that runs it. {@code BenchServeRun} has the HTTP load generator. Depends on {@code bench}, {@code console} and
 * {@code serve}.
 */
@NullMarked
package dev.moe4j.bench.command;

import org.jspecify.annotations.NullMarked;
