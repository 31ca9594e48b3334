/**
 * The command {@code moe4j doctor}: checks the machine's hardware, libraries and numerical correctness. Depends on
 * {@code console} and {@code tensor}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.doctor;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
