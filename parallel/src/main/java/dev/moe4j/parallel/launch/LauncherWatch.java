package dev.moe4j.parallel.launch;

import java.io.IOException;
import java.util.Map;

/**
 * Ends a process whose {@link Launcher} is gone, however it went. The launcher holds the other end of stdin and never
 * writes to it: its end is the launcher's.
 */
public final class LauncherWatch {

    /** The variable by which a launcher, or a study, tells its processes that it holds their stdin. */
    public static final String VARIABLE = "MOE4J_LAUNCHER";

    private LauncherWatch() {}

    /** Begins to watch, if a launcher started this process. */
    public static void start(Map<String, String> variables) {
        if (variables.containsKey(VARIABLE)) {
            Thread.ofPlatform().daemon().name("launcher watch").start(LauncherWatch::watch);
        }
    }

    private static void watch() {
        try {
            while (System.in.read() >= 0) {
                // Nobody writes.
            }
        } catch (IOException e) {
            // As good as its end.
        }
        System.err.println("moe4j: the launcher is gone: this process ends too");
        Runtime.getRuntime().halt(1);
    }
}
