/** Text generation. */
@NullMarked
package dev.moe4j.serve;

import org.jspecify.annotations.NullMarked;
