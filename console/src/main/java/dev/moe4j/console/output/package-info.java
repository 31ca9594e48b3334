/**
 * Output of commands: results as text or JSON ({@link Output}), failures as one line ({@link Failure}), exit codes
 * ({@link ExitCode}), units ({@link Units}). Depends on picocli, Jackson and {@code base}.
 */
@NullMarked
package dev.moe4j.console.output;

import org.jspecify.annotations.NullMarked;
