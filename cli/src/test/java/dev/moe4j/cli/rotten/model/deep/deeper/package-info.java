/** Breaks rules on purpose, see ArchitectureTest. */
@NullMarked
package dev.moe4j.cli.rotten.model.deep.deeper;

import org.jspecify.annotations.NullMarked;
