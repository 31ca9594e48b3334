package dev.moe4j.study.steps;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * Measures the energy that this machine's processors draw. Reads the RAPL counters that Linux exposes under {@code
 * /sys/class/powercap}. Most virtual machines lack these counters, and unprivileged users often cannot read them.
 */
public final class EnergyMeter {

    private static final Path POWERCAP = Path.of("/sys/class/powercap");

    private final List<Path> packages;
    private final long[] before;

    private EnergyMeter(List<Path> packages) {
        this.packages = packages;
        this.before = new long[packages.size()];
        for (int i = 0; i < before.length; i++) {
            before[i] = number(packages.get(i).resolve("energy_uj"));
        }
    }

    /** Starts to measure this machine's processors. Without readable counters the meter measures nothing. */
    public static EnergyMeter start() {
        return of(POWERCAP);
    }

    /** A meter that measures nothing, for work that runs elsewhere, such as on a GPU. */
    public static EnergyMeter none() {
        return new EnergyMeter(List.of());
    }

    /**
     * Starts to measure the counters below a folder. Only package counters ({@code intel-rapl:0}) are read: their parts
     * and the system counter ({@code psys}) would count the same energy twice.
     */
    public static EnergyMeter of(Path powercap) {
        if (!Files.isDirectory(powercap)) {
            return none();
        }
        try (Stream<Path> zones = Files.list(powercap)) {
            return new EnergyMeter(
                    zones.filter(zone -> zone.getFileName().toString().matches("intel-rapl:\\d+"))
                            .filter(EnergyMeter::isPackage)
                            .filter(zone -> Files.isReadable(zone.resolve("energy_uj")))
                            .sorted()
                            .toList());
        } catch (IOException e) {
            return none();
        }
    }

    private static boolean isPackage(Path zone) {
        try {
            return Files.readString(zone.resolve("name")).startsWith("package");
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Joules since the last call, or since the start.
     *
     * @return empty without readable counters
     */
    public OptionalDouble joules() {
        if (packages.isEmpty()) {
            return OptionalDouble.empty();
        }
        double sum = 0;
        for (int i = 0; i < before.length; i++) {
            Path zone = packages.get(i);
            long now = number(zone.resolve("energy_uj"));
            // The counter wraps around to 0.
            long wrapped = now < before[i] ? number(zone.resolve("max_energy_range_uj")) : 0;
            sum += now - before[i] + wrapped;
            before[i] = now;
        }
        return OptionalDouble.of(sum / 1e6);
    }

    private static long number(Path file) {
        try {
            return Long.parseLong(Files.readString(file).strip());
        } catch (IOException | NumberFormatException e) {
            throw new StudyException("the energy counter " + file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
