package dev.moe4j.console.option;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.parallel.health.Identity;
import dev.moe4j.parallel.launch.CodeVersion;
import dev.moe4j.parallel.rendezvous.Environment;

/** What all processes of a run must have in common. */
public final class RunIdentity {
    private static final int DIGITS = 12;

    private RunIdentity() {}

    /**
     * This process's.
     *
     * @param configuration all that decides the run, as text
     */
    public static Identity of(Environment environment, String configuration) {
        String code = environment.isDistributed() ? CodeVersion.here() : "alone";
        return new Identity(code, Sha256.of(configuration).substring(0, DIGITS));
    }
}
