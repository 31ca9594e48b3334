package dev.moe4j.console.process;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How to start {@code moe4j} once more. */
public final class JavaCommand {

    /** The class that the command line starts from. */
    static final String MAIN = "dev.moe4j.cli.Main";

    private JavaCommand() {}

    /** The JVM that runs this, with the same flags and no terminal, up to the arguments of {@code moe4j}. */
    public static List<String> words() {
        List<String> words = new ArrayList<>();
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        words.add("-Dmoe4j.terminal=false");
        words.addAll(List.of("-cp", System.getProperty("java.class.path"), MAIN));
        return words;
    }
}
