package dev.moe4j.console.output;

import java.util.Objects;
import picocli.CommandLine.IVersionProvider;

/** The version that {@code --version} prints. */
public final class Version implements IVersionProvider {
    Version() {}

    @Override
    public String[] getVersion() {
        return new String[] {"moe4j " + moe4j() + " (Java " + Runtime.version() + ", " + Platform.name() + ")"};
    }

    /** Returns the version in the jar's manifest, or {@code development} for classes outside a jar. */
    public static String moe4j() {
        return Objects.requireNonNullElse(Version.class.getPackage().getImplementationVersion(), "development");
    }
}
