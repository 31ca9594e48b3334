package dev.moe4j.parallel.launch;

import java.io.IOException;
import java.util.Map;

/**
 * Ends this process when its {@link Launcher} is gone, even after a crash. The launcher holds the other end of this
 * process's stdin and never writes to it, so the end of stdin means the end of the launcher.
 */
public final class LauncherWatch {

    /** The environment variable that a launcher or a study sets in the processes whose stdin it holds. */
    public static final String VARIABLE = "MOE4J_LAUNCHER";

    private LauncherWatch() {}

    /** Starts to watch stdin on a daemon thread if {@link #VARIABLE} is set. */
    public static void start(Map<String, String> variables) {
        if (variables.containsKey(VARIABLE)) {
            Thread.ofPlatform().daemon().name("launcher watch").start(LauncherWatch::watch);
        }
    }

    private static void watch() {
        try {
            while (System.in.read() >= 0) {
                // Ignore input: only the end of stdin matters.
            }
        } catch (IOException e) {
            // A broken stdin counts as its end.
        }
        System.err.println("moe4j: the launcher is gone; this process ends too");
        Runtime.getRuntime().halt(1);
    }
}
