package dev.moe4j.cli.rotten.tensor;

import dev.moe4j.cli.rotten.tensor.hidden.Hidden;

/** Uses an internal package of its own module, which is allowed. */
interface UsesOwnInternal extends Hidden {}
