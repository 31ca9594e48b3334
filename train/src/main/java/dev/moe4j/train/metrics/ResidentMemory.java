package dev.moe4j.train.metrics;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** Reads this process's resident memory in bytes. Empty on systems other than Linux. */
public final class ResidentMemory {
    private static final Path STATUS = Path.of("/proc/self/status");

    private ResidentMemory() {}

    /** The resident memory now. */
    public static OptionalLong now() {
        return field("VmRSS", STATUS);
    }

    /** The peak of the resident memory since the process started. */
    public static OptionalLong peak() {
        return field("VmHWM", STATUS);
    }

    static OptionalLong field(String name, Path status) {
        try (Stream<String> lines = Files.lines(status)) {
            return lines.filter(line -> line.matches(name + ":\\s+\\d+ kB"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }
}
