package dev.moe4j.cli.rotten.study;

/** Breaks no rule. */
public interface Study {}
