package dev.moe4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A command line in a process of its own, for what only a process can show: signals, locks, a death. */
public record RealProcess(Process process, Path err) {

    /** Starts {@code moe4j} with these arguments; what it says on stderr is added to a file. */
    public static RealProcess start(Path err, String... args) throws IOException {
        Process process = builder(args)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.appendTo(err.toFile()))
                .start();
        return new RealProcess(process, err);
    }

    /** {@code moe4j} with these arguments, not started yet. */
    public static ProcessBuilder builder(String... args) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.bytedeco.javacpp.nopointergc=true",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(args));
        return new ProcessBuilder(command);
    }

    public boolean alive() {
        return process.isAlive();
    }

    /** Waits for the end and returns the exit code. */
    public int code() throws InterruptedException {
        return process.waitFor();
    }

    public String said() throws IOException {
        return Files.readString(err);
    }
}
