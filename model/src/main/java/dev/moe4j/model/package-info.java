/**
 * The language model: {@link LanguageModel} owns the parameters of a decoder and runs a forward and backward pass
 * over a batch; {@link LossReport} is its result. {@link MixtureLayer} is a layer of experts. Depends on the
 * packages below.
 */
@NullMarked
package dev.moe4j.model;

import org.jspecify.annotations.NullMarked;
