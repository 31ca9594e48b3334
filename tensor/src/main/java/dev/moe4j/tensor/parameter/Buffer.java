package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.Tensor;

/**
 * A named tensor of a model that belongs to its state but is not trained by gradients, such as the selection bias of a
 * router. Every process holds it completely. Checkpoints store it under its name.
 *
 * @param tensor the values, which belong to the model
 */
public record Buffer(String name, Tensor tensor) {}
