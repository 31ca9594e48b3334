/**
 * Evaluation of language models. The packages below hold perplexity, tasks, the scoring of likelihoods and confidence
 * intervals. {@link EvalException} reports their failures. Depends on {@code model} and {@code data}.
 */
@NullMarked
package dev.moe4j.eval;

import org.jspecify.annotations.NullMarked;
