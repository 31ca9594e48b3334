package dev.moe4j.parallel.health;

/**
 * What all processes of a run must have in common.
 *
 * @param code the version of the code, such as {@code CodeVersion.here()}
 * @param configuration a digest of the resolved configuration
 */
public record Identity(String code, String configuration) {

    public Identity {
        if (code.isBlank() || configuration.isBlank()) {
            throw new IllegalArgumentException("an identity has a code version and a configuration");
        }
    }
}
