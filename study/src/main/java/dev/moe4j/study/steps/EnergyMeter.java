package dev.moe4j.study.steps;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * The energy that the processors have drawn, by their own counters (RAPL, as Linux shows it under {@code
 * /sys/class/powercap}); most virtual machines and unprivileged users have none.
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

    /** On the processors of this machine, as far as they count. */
    public static EnergyMeter start() {
        return of(POWERCAP);
    }

    /** For what is drawn elsewhere, such as by a GPU: measures nothing. */
    public static EnergyMeter none() {
        return new EnergyMeter(List.of());
    }

    /**
     * Reads the counters below a folder: those of whole packages ({@code intel-rapl:0}), not of their parts, nor of the
     * whole system ({@code psys}), which the packages are part of.
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

    /** Joules since the last call, or since the start; empty where nothing measures them. */
    public OptionalDouble joules() {
        if (packages.isEmpty()) {
            return OptionalDouble.empty();
        }
        double sum = 0;
        for (int i = 0; i < before.length; i++) {
            Path zone = packages.get(i);
            long now = number(zone.resolve("energy_uj"));
            // The counter begins again at 0.
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
