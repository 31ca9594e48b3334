package dev.moe4j.console.output;

/** The exit codes of a command; 0 means done. */
public final class ExitCode {
    /** The command failed; one line on stderr says why. */
    public static final int FAILED = 1;
    /** The command line is wrong, or an option has a value that no run could use. */
    public static final int WRONG_USAGE = 2;

    private ExitCode() {}
}
