/** The command line: one command a file. */
@NullMarked
package dev.moe4j.cli;

import org.jspecify.annotations.NullMarked;
