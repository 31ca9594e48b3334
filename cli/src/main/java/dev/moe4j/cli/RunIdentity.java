package dev.moe4j.cli;

import dev.moe4j.base.Sha256;
import dev.moe4j.parallel.CodeVersion;
import dev.moe4j.parallel.Environment;
import dev.moe4j.parallel.Identity;

/** What all processes of a run must have in common. */
final class RunIdentity {
    private static final int DIGITS = 12;

    private RunIdentity() {}

    /**
     * This process's.
     *
     * @param configuration all that decides the run, as text
     */
    static Identity of(Environment environment, String configuration) {
        String code = environment.isDistributed() ? CodeVersion.here() : "alone";
        return new Identity(code, Sha256.of(configuration).substring(0, DIGITS));
    }
}
