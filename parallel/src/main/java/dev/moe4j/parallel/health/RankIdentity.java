package dev.moe4j.parallel.health;

/**
 * The code version and configuration that all processes of a run must share.
 *
 * @param code the code version, such as {@code CodeVersion.here()}
 * @param configuration a digest of the resolved configuration
 */
public record RankIdentity(String code, String configuration) {

    public RankIdentity {
        if (code.isBlank() || configuration.isBlank()) {
            throw new IllegalArgumentException("an identity needs a code version and a configuration");
        }
    }
}
