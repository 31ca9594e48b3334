package dev.moe4j.cli.rotten.model.deep.deeper;

/** Lives in a package below its module's. */
interface Nested {}
