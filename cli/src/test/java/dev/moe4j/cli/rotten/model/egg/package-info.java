/** One half of a cycle of packages. */
@NullMarked
package dev.moe4j.cli.rotten.model.egg;

import org.jspecify.annotations.NullMarked;
