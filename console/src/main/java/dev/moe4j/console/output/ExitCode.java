package dev.moe4j.console.output;

/** Exit codes of commands; 0 is success. */
public final class ExitCode {
    /** The command failed; one line on stderr says why. */
    public static final int FAILED = 1;
    /** The command line is wrong, or an option has an invalid value. */
    public static final int WRONG_USAGE = 2;

    private ExitCode() {}
}
