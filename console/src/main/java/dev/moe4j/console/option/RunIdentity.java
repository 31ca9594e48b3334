package dev.moe4j.console.option;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.launch.CodeVersion;
import dev.moe4j.parallel.rendezvous.RankEnvironment;

/** Creates the identity that all processes of a run must share: code version and configuration. */
public final class RunIdentity {
    private static final int DIGITS = 12;

    private RunIdentity() {}

    /**
     * Returns this process's identity.
     *
     * @param configuration text with everything that determines the run; only its hash is kept
     */
    public static RankIdentity of(RankEnvironment environment, String configuration) {
        String code = environment.isDistributed() ? CodeVersion.here() : "alone";
        return new RankIdentity(code, Sha256.of(configuration).substring(0, DIGITS));
    }
}
