/** Several processes: their layout, how they meet, what they exchange, how they fail, and their launch. */
@NullMarked
package dev.moe4j.parallel;

import org.jspecify.annotations.NullMarked;
