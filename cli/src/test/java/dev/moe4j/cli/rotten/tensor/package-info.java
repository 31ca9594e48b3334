/** Breaks rules on purpose, see ArchitectureTest. */
@NullMarked
package dev.moe4j.cli.rotten.tensor;

import org.jspecify.annotations.NullMarked;
