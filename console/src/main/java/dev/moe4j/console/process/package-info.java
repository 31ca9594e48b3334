/**
 * The process of a command: starting moe4j once more ({@link JavaCommand}) and orderly interruption. Depends on
 * the JDK alone.
 */
@NullMarked
package dev.moe4j.console.process;

import org.jspecify.annotations.NullMarked;
