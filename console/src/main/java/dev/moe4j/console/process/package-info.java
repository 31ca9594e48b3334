/**
 * Process control for commands: the command line that starts moe4j again ({@link JavaCommand}), and orderly
 * shutdown on Ctrl-C or SIGTERM ({@link Interruption}). Depends on the JDK and SLF4J.
 */
@NullMarked
package dev.moe4j.console.process;

import org.jspecify.annotations.NullMarked;
