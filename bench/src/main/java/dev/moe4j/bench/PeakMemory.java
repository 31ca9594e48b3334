package dev.moe4j.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** The most memory that this process ever had resident. */
public final class PeakMemory {
    private PeakMemory() {}

    /** Bytes, where the system tells: Linux does. */
    public static OptionalLong bytes() {
        return bytes(Path.of("/proc/self/status"));
    }

    static OptionalLong bytes(Path status) {
        try (Stream<String> lines = Files.lines(status)) {
            return lines.filter(line -> line.matches("VmHWM:\\s+\\d+ kB"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }
}
