/**
 * {@code moe4j doctor}: what this machine offers, whether it computes correctly, and what is wrong with it.
 * Depends on {@code console} and {@code tensor}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.doctor;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
