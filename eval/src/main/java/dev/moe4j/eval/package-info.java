/** Scoring of text with a trained model. */
@NullMarked
package dev.moe4j.eval;

import org.jspecify.annotations.NullMarked;
