/** Benchmarks of matrix products and of whole training steps. */
@NullMarked
package dev.moe4j.bench;

import org.jspecify.annotations.NullMarked;
