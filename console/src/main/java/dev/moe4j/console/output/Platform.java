package dev.moe4j.console.output;

import java.util.Locale;

/** The name that libtorch's artifacts use for this machine, such as {@code linux-x86_64}. */
public final class Platform {
    private Platform() {}

    public static String name() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch");
        return (os.startsWith("mac") ? "macosx" : os.startsWith("windows") ? "windows" : os) + "-"
                + switch (arch) {
                    case "amd64" -> "x86_64";
                    case "aarch64" -> "arm64";
                    default -> arch;
                };
    }
}
