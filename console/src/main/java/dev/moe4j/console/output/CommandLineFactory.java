package dev.moe4j.console.output;

import picocli.CommandLine;

/** Makes command lines; the user object of the root command is one. */
public interface CommandLineFactory {

    /** Returns a command line on which these arguments can be parsed. */
    CommandLine forArguments(String... arguments);
}
