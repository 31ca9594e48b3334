package dev.moe4j.cli.rotten.serve;

import dev.moe4j.cli.rotten.study.Study;

/** Points sideways. */
interface Serve extends Study {}
