/**
 * The language model. {@link LanguageModel} owns the parameters of a decoder-only Transformer and runs the forward pass
 * of a batch; the tape that records the pass runs it backward. {@link LossReport} is the result of a pass. {@code
 * MixtureLayer} runs a mixture-of-experts layer: router, dispatch (an all-to-all under expert parallelism), experts,
 * combine. Depends on the packages below.
 */
@NullMarked
package dev.moe4j.model;

import org.jspecify.annotations.NullMarked;
