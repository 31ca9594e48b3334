/**
 * Evaluation of models. {@link EvalException} is its failure. The packages below hold perplexity, tasks and
 * scoring. Depends on {@code model} and {@code data}.
 */
@NullMarked
package dev.moe4j.eval;

import org.jspecify.annotations.NullMarked;
