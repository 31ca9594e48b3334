package dev.moe4j.cli;

/** The exit codes of a command; 0 means done. */
final class ExitCode {
    /** The command failed; one line on stderr says why. */
    static final int FAILED = 1;
    /** The command line is wrong, or an option has a value that no run could use. */
    static final int WRONG_USAGE = 2;

    private ExitCode() {}
}
