package dev.moe4j.base.machine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Finds the processors and cores that this process may use. libtorch also reads the topology, but finds only one core on some
 * virtual machines.
 */
public final class Processors {

    /** Sets the number of threads of each operation, and overrides the number of cores. */
    public static final String THREADS_VARIABLE = "OMP_NUM_THREADS";

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path TOPOLOGY = Path.of("/sys/devices/system/cpu");
    private static final String ALLOWED = "Cpus_allowed_list:";

    /** A number of threads, or one for each level of nested parallelism. */
    private static final Pattern NUMBERS = Pattern.compile("\\s*(\\d{1,6})\\s*(,.*)?");

    private Processors() {}

    /**
     * Returns the number of physical cores that this process may use, at least 1. The process's CPU affinity and its
     * container's CPU quota limit this number. Outside Linux the topology is unknown, and each processor counts as a core.
     */
    public static int cores() {
        return cores(STATUS, TOPOLOGY, Runtime.getRuntime().availableProcessors());
    }

    /**
     * {@link #cores()} with the given inputs, for tests.
     *
     * @param status the file with the list of allowed processors
     * @param topology the folder that contains a folder for each processor
     * @param available the number of processors by affinity and quota
     */
    public static int cores(Path status, Path topology, int available) {
        int cores = (int) allowed(status)
                .mapToObj(processor -> core(topology.resolve("cpu" + processor + "/topology"), processor))
                .distinct()
                .count();
        return cores == 0 ? available : Math.min(cores, available);
    }

    /**
     * Returns the number of threads that each of several processes on this machine should use for an operation. This is {@link
     * #THREADS_VARIABLE} if it is set. Else the cores are divided by the number of processes. At least 1.
     */
    public static int threads(int processes) {
        return requested(System.getenv()).orElseGet(() -> Math.max(1, cores() / processes));
    }

    /** The number of threads that the environment sets; empty if it is not set or not a number above 0. */
    public static OptionalInt requested(Map<String, String> environment) {
        var numbers = NUMBERS.matcher(environment.getOrDefault(THREADS_VARIABLE, ""));
        int first = numbers.matches() ? Integer.parseInt(numbers.group(1)) : 0;
        return first > 0 ? OptionalInt.of(first) : OptionalInt.empty();
    }

    private static IntStream allowed(Path status) {
        try (Stream<String> lines = Files.lines(status)) {
            return lines.filter(line -> line.startsWith(ALLOWED))
                    .map(line -> line.substring(ALLOWED.length()).strip())
                    .findFirst()
                    .map(Processors::numbers)
                    .orElse(IntStream.empty());
        } catch (IOException | UncheckedIOException e) {
            return IntStream.empty(); // not Linux
        }
    }

    /** The numbers of a list such as {@code 0-3,8}. */
    private static IntStream numbers(String list) {
        return Stream.of(list.split(",", -1)).flatMapToInt(range -> {
            String[] ends = range.split("-", -1);
            return IntStream.rangeClosed(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]));
        });
    }

    /** The list of processors on the same core. Older kernels have only the second file. */
    private static String core(Path topology, int processor) {
        for (String name : new String[] {"core_cpus_list", "thread_siblings_list"}) {
            try {
                return Files.readString(topology.resolve(name)).strip();
            } catch (IOException e) {
                // Try the next file.
            }
        }
        return Integer.toString(processor);
    }
}
