/** The other half of a cycle of packages. */
@NullMarked
package dev.moe4j.cli.rotten.model.hen;

import org.jspecify.annotations.NullMarked;
