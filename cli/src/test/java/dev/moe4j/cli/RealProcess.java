package dev.moe4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs a command line in a separate process, to test signals, locks and crashes. */
public record RealProcess(Process process, Path err) {

    /** Starts {@code moe4j} with these arguments; its stderr is appended to a file. */
    public static RealProcess start(Path err, String... args) throws IOException {
        Process process = builder(args)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.appendTo(err.toFile()))
                .start();
        return new RealProcess(process, err);
    }

    /** Builds, but does not start, a process of {@code moe4j} with these arguments. */
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

    /** Waits for the process to end and returns its exit code. */
    public int code() throws InterruptedException {
        return process.waitFor();
    }

    public String said() throws IOException {
        return Files.readString(err);
    }
}
