/**
 * The command line: {@code Main} lists the commands. Each command is a class next to its run, in a package by
 * subject. Depends on everything below.
 */
@Internal
@NullMarked
package dev.moe4j.cli;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
