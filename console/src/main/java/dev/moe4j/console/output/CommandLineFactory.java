package dev.moe4j.console.output;

import picocli.CommandLine;

/**
 * Creates command lines. The user object of the root command implements it, so that a command can parse another
 * one.
 */
public interface CommandLineFactory {

    /** Returns a command line that can parse these arguments. */
    CommandLine forArguments(String... arguments);
}
