package dev.moe4j.cli.rotten.model;

import org.bytedeco.pytorch.Tensor;

/** Reaches past tensor. */
record UsesLibtorch(Tensor x_TD) {}
