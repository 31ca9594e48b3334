package dev.moe4j.cli.rotten.attic;

/** Lives in no known module, in a package that is not null-marked. */
interface Forgotten {}
