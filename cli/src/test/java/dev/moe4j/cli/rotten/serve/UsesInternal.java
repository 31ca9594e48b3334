package dev.moe4j.cli.rotten.serve;

import dev.moe4j.cli.rotten.tensor.hidden.Hidden;

/** Uses an internal package of another module. */
interface UsesInternal extends Hidden {}
