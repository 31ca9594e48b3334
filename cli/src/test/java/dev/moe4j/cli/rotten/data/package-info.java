/** Breaks rules on purpose, see ArchitectureTest. */
@NullMarked
package dev.moe4j.cli.rotten.data;

import org.jspecify.annotations.NullMarked;
