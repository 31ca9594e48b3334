package dev.moe4j.console.process;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command line that starts {@code moe4j} in a new process. */
public final class JavaCommand {

    /** The main class of the command line; named, because it lies in a module above this one. */
    static final String MAIN = "dev.moe4j.cli.Main";

    private JavaCommand() {}

    /**
     * The java executable of this JVM with its flags, no terminal, the class path and the main class. Append the
     * arguments of {@code moe4j}.
     */
    public static List<String> words() {
        List<String> words = new ArrayList<>();
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        words.add("-Dmoe4j.terminal=false");
        words.addAll(List.of("-cp", System.getProperty("java.class.path"), MAIN));
        return words;
    }
}
