package dev.moe4j.cli.doctor;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.base.text.FirstLine;
import dev.moe4j.bench.DTypes;
import dev.moe4j.bench.Sanity;
import dev.moe4j.cli.doctor.DoctorCommand.Check;
import dev.moe4j.cli.doctor.DoctorCommand.Peak;
import dev.moe4j.cli.doctor.DoctorCommand.Report;
import dev.moe4j.cli.doctor.DoctorCommand.Status;
import dev.moe4j.console.output.Platform;
import dev.moe4j.console.output.Version;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.hardware.MatmulPeak;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Runs the checks of {@code moe4j doctor}. Separate from the command, whose class loads with every {@code --help}. */
final class Checkup {
    /** Environment variables that {@code ./moe4j} sets. The JVM cannot set them for itself. */
    static final List<String> LAUNCHER_VARIABLES = List.of(
            "MALLOC_ARENA_MAX", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES");

    private static final List<String> CPU_FEATURES =
            List.of("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16");
    private static final long MIN_MEMORY = 2L << 30;
    private static final long MIN_CACHE_SPACE = 1L << 30;

    private final Map<String, String> environment;
    private final List<Check> checks = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();
    private final List<Peak> peaks = new ArrayList<>();
    private final List<String> devices = new ArrayList<>();
    private final List<String> missingLibraries = new ArrayList<>();
    private final boolean linux = Platform.name().startsWith("linux");

    Checkup() {
        this(System.getenv());
    }

    /** Uses another environment, for tests. */
    Checkup(Map<String, String> environment) {
        this.environment = environment;
    }

    Report run() {
        String platform = Platform.name();
        String jdk = System.getProperty("java.vendor") + " " + Runtime.version();
        String os = System.getProperty("os.name") + " " + System.getProperty("os.version");
        Path cache = cacheFolder();
        add("moe4j", Status.OK, Version.moe4j());
        checkJdk(jdk);
        add("system", Status.OK, os + " (" + platform + ")");
        List<String> features = checkProcessor();
        long memory = checkMemory();
        checkEnvironment();
        boolean cuda = CudaLibraries.isCudaBuild(platform);
        if (cuda) {
            checkCuda(new CudaLibraries(environment));
        }
        double seconds = checkLibtorch(platform + (cuda ? "-gpu" : ""));
        boolean loaded = seconds >= 0;
        if (loaded) {
            if (linux) {
                checkThreads(Libtorch.threads(), Processors.cores());
                checkCopies(ForeignLibtorch.loaded(Path.of("/proc/self/maps")), ForeignLibtorch.installed(environment));
            }
            devices.add(Device.CPU.toString());
            for (int i = 0; i < Libtorch.cudaDevices(); i++) {
                devices.add("cuda:" + i);
            }
            if (cuda && missingLibraries.isEmpty() && devices.size() == 1) {
                add(
                        "devices",
                        Status.WARN,
                        "cpu only: libtorch finds no GPU; run nvidia-smi to see whether the driver finds one");
            } else {
                add("devices", Status.OK, String.join(", ", devices));
            }
            for (String device : devices) {
                checkDevice(Device.parse(device));
            }
        }
        checkCache(cache); // after loading libtorch, which fills the cache
        return new Report(
                Version.moe4j(),
                jdk,
                os,
                platform,
                cpu(),
                features,
                Runtime.getRuntime().availableProcessors(),
                Processors.cores(),
                memory,
                Runtime.getRuntime().maxMemory(),
                loaded ? Libtorch.VERSION : null,
                loaded ? seconds : Double.NaN,
                loaded ? Libtorch.threads() : 0,
                devices,
                missingLibraries,
                peaks,
                cache,
                size(cache),
                checks,
                problems,
                warnings);
    }

    /** Returns a check that has already run. */
    Check check(String name) {
        return checks.stream()
                .filter(check -> check.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private void add(String name, Status status, String detail) {
        checks.add(new Check(name, status, detail));
        switch (status) {
            case OK -> {}
            case WARN -> warnings.add(name + ": " + detail);
            case FAIL -> problems.add(name + ": " + detail);
        }
    }

    private void checkJdk(String jdk) {
        int feature = Runtime.version().feature();
        if (feature == 25) {
            add("JDK", Status.OK, jdk);
        } else {
            add("JDK", Status.WARN, jdk + "; moe4j is tested with JDK 25 only; ./moe4j uses it if it is installed");
        }
    }

    private List<String> checkProcessor() {
        List<String> flags = List.of(cpuInfo("flags").split(" "));
        List<String> features = CPU_FEATURES.stream().filter(flags::contains).toList();
        int processors = Runtime.getRuntime().availableProcessors();
        int cores = Processors.cores();
        String words = cpu() + ", " + cores + " cores"
                + (cores == processors ? "" : " (" + processors + " processors)")
                + (features.isEmpty() ? "" : ", " + String.join(" ", features));
        boolean known = linux && flags.size() > 1;
        if (known && Platform.name().endsWith("x86_64") && !features.contains("avx2")) {
            add("processor", Status.WARN, words + "; without AVX2 all computations are several times slower");
        } else {
            add("processor", Status.OK, words);
        }
        return features;
    }

    private long checkMemory() {
        long memory = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                .getTotalMemorySize();
        String words = String.format(
                "%.1f GiB, Java heap up to %.1f GiB",
                gib(memory), gib(Runtime.getRuntime().maxMemory()));
        if (memory < MIN_MEMORY) {
            add("memory", Status.WARN, words + "; use small models, or a machine with 2 GiB or more");
        } else {
            add("memory", Status.OK, words);
        }
        return memory;
    }

    void checkEnvironment() {
        List<String> wrong = new ArrayList<>();
        if (linux) {
            LAUNCHER_VARIABLES.stream()
                    .filter(name -> !environment.containsKey(name))
                    .forEach(name -> wrong.add(name + " is not set"));
            if (!environment.containsKey("GOMP_SPINCOUNT") && !environment.containsKey("OMP_WAIT_POLICY")) {
                wrong.add("GOMP_SPINCOUNT is not set");
            }
        }
        if (environment.containsKey("OPENBLAS_CORETYPE") && !environment.containsKey("MOE4J_OPENBLAS_CORETYPE")) {
            wrong.add("OPENBLAS_CORETYPE is inherited and may be meant for another machine");
        }
        if (wrong.isEmpty()) {
            String faster = "1000".equals(environment.get("GOMP_SPINCOUNT"))
                    ? "; GOMP_SPINCOUNT=300000 is faster on an otherwise idle machine (docs/training.md)"
                    : "";
            add("environment", Status.OK, "as ./moe4j sets it" + faster);
        } else {
            add(
                    "environment",
                    Status.WARN,
                    String.join(", ", wrong) + ": training is slower or takes more memory; start with ./moe4j");
        }
    }

    /** Checks the libraries that the CUDA build needs. Without some of them libtorch loads but finds no GPU. */
    void checkCuda(CudaLibraries libraries) {
        List<CudaLibraries.Missing> missing = libraries.missing();
        missingLibraries.addAll(
                missing.stream().map(CudaLibraries.Missing::name).toList());
        if (missing.isEmpty()) {
            add("CUDA libraries", Status.OK, "all " + libraries.count() + " found");
        } else {
            String reasons = missing.stream()
                    .map(each -> each.reason().startsWith(each.name() + ": cannot open")
                            ? each.name()
                            : each.name() + " (" + each.reason() + ")")
                    .collect(Collectors.joining(", "));
            add("CUDA libraries", Status.FAIL, "missing " + reasons + ": " + libraries.remedy(missing));
        }
    }

    /** Loads libtorch. Returns the time in seconds, or -1 if it cannot be loaded. */
    private double checkLibtorch(String platform) {
        String library = "org/bytedeco/pytorch/" + platform + "/" + System.mapLibraryName("jnitorch");
        if (Checkup.class.getClassLoader().getResource(library) == null) {
            add(
                    "libtorch",
                    Status.FAIL,
                    "no libraries for " + platform + " on the class path; start with ./moe4j, on Linux x86-64, macOS "
                            + "arm64 or Windows x86-64");
            return -1;
        }
        long start = System.nanoTime();
        try {
            Libtorch.load();
        } catch (LinkageError e) {
            Throwable cause = Objects.requireNonNullElse(e.getCause(), e);
            add(
                    "libtorch",
                    Status.FAIL,
                    "cannot be loaded: " + FirstLine.of(cause)
                            + (missingLibraries.isEmpty()
                                    ? "; free space in its cache, or delete the cache"
                                    : "; see the CUDA libraries above"));
            return -1;
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        add(
                "libtorch",
                Status.OK,
                String.format("%s, loaded in %.2f s, %d threads", Libtorch.VERSION, seconds, Libtorch.threads()));
        return seconds;
    }

    /** Compares the number of threads per operation with the cores that this process may use. */
    void checkThreads(int threads, int cores) {
        String words = threads + " per operation, on " + cores + " cores";
        if (threads >= cores) {
            add("threads", Status.OK, words);
        } else {
            String variable = environment.get(Processors.THREADS_VARIABLE);
            add(
                    "threads",
                    Status.WARN,
                    words + "; training is slower than necessary: "
                            + (variable == null
                                    ? "set " + Processors.THREADS_VARIABLE + "=" + cores
                                    : "unset " + Processors.THREADS_VARIABLE + " (now " + variable + ")"));
        }
    }

    /**
     * Reports copies of libtorch other than moe4j's.
     *
     * @param loaded the copies that this process has loaded; should be moe4j's only
     * @param installed the copies installed on the machine
     */
    void checkCopies(List<Path> loaded, List<Path> installed) {
        List<Path> foreign = installed.stream().filter(loaded::contains).toList();
        List<Path> unused =
                installed.stream().filter(copy -> !loaded.contains(copy)).toList();
        if (loaded.size() > 1) {
            add(
                    "copies of libtorch",
                    Status.FAIL,
                    words(loaded)
                            + " are loaded together, which crashes; remove the second folder from LD_LIBRARY_PATH");
        } else if (!foreign.isEmpty()) {
            add("copies of libtorch", Status.OK, words(foreign) + ", installed on this machine, is used");
        } else if (!unused.isEmpty()) {
            add("copies of libtorch", Status.OK, words(unused) + " is installed but not used by moe4j");
        }
    }

    private static String words(List<Path> paths) {
        return paths.stream().map(Path::toString).collect(Collectors.joining(", "));
    }

    private void checkDevice(Device device) {
        String prefix = device.isCuda() ? device + " " : "";
        try {
            for (Sanity.Check check : Sanity.run(device)) {
                add(
                        prefix + check.name(),
                        check.holds() ? Status.OK : Status.FAIL,
                        String.format("error %.1e (limit %.0e)", check.error(), check.bound())
                                + (check.holds() ? "" : "; do not trust results from this machine"));
            }
            List<Peak> measured = new ArrayList<>();
            for (DType dtype : List.of(DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64)) {
                measured.add(new Peak(device.toString(), DTypes.name(dtype), MatmulPeak.measure(dtype, device) / 1e9));
            }
            peaks.addAll(measured);
            String words = measured.stream()
                    .map(peak -> String.format("%s %.0f", peak.dtype(), peak.gflops()))
                    .collect(Collectors.joining(", "));
            String path = device.isCuda() || !Libtorch.float32ThroughOneDnn() ? "" : " (fp32 through oneDNN)";
            add(prefix + "matrix products", Status.OK, words + " GFLOP/s at 1024³" + path);
        } catch (dev.moe4j.tensor.TensorException e) {
            add(prefix + "calculation", Status.FAIL, String.valueOf(e.getMessage()));
        }
    }

    private void checkCache(Path cache) {
        Path existing = cache;
        while (!Files.exists(existing) && existing.getParent() != null) {
            existing = existing.getParent();
        }
        String words = String.format("%s, %.2f GiB", cache, gib(size(cache)));
        if (!Files.isWritable(existing)) {
            add(
                    "cache",
                    Status.WARN,
                    words + "; not writable: set -Dorg.bytedeco.javacpp.cachedir=FOLDER in " + "MOE4J_JAVA_OPTS");
            return;
        }
        try {
            long free = Files.getFileStore(existing).getUsableSpace();
            boolean small = size(cache) == 0 && free < MIN_CACHE_SPACE;
            add(
                    "cache",
                    small ? Status.WARN : Status.OK,
                    words + (small ? String.format("; only %.2f GiB free", gib(free)) : ""));
        } catch (IOException e) {
            add("cache", Status.WARN, words + "; cannot read the disk's free space: " + FirstLine.of(e));
        }
    }

    /** The folder where JavaCPP unpacks native libraries. */
    private static Path cacheFolder() {
        String set = System.getProperty("org.bytedeco.javacpp.cachedir");
        return set == null ? Path.of(System.getProperty("user.home"), ".javacpp", "cache") : Path.of(set);
    }

    private static long size(Path folder) {
        if (!Files.isDirectory(folder)) {
            return 0;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        } catch (IOException | UncheckedIOException e) {
            return 0;
        }
    }

    /** Returns the processor's name on Linux, otherwise its architecture. */
    private static String cpu() {
        String name = cpuInfo("model name");
        return name.isEmpty() ? System.getProperty("os.arch") : name;
    }

    private static String cpuInfo(String key) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.matches(key + "\\s*:.*"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse("");
        } catch (IOException | UncheckedIOException e) {
            return "";
        }
    }

    private static double gib(long bytes) {
        return bytes / (double) (1L << 30);
    }
}
