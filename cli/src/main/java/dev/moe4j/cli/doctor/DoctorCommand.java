package dev.moe4j.cli.doctor;

import dev.moe4j.console.output.ExitCode;
import dev.moe4j.console.output.Output;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code moe4j doctor}: what this machine offers, and what is wrong with it. */
@Command(
        name = "doctor",
        description = {
            "Say what this machine offers, and what is wrong with it.",
            "Exits with 1 if anything is marked `fail`."
        })
public final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    DoctorCommand() {}

    /** How a check went. */
    enum Status {
        OK,
        WARN,
        FAIL
    }

    /**
     * One line of the table.
     *
     * @param status {@code ok}, {@code warn} or {@code fail}
     * @param detail what was found and, if it is not ok, what to do
     */
    record Check(String name, String status, String detail) {
        Check(String name, Status status, String detail) {
            this(name, status.name().toLowerCase(Locale.ROOT), detail);
        }
    }

    /**
     * The fastest matrix product of a type.
     *
     * @param gflops 10⁹ floating-point operations per second
     */
    record Peak(String device, String dtype, double gflops) {}

    /**
     * What {@code --json} prints.
     *
     * @param cpuFeatures those of the processor's instruction sets that matter here
     * @param processors that this JVM may use
     * @param cores of those, where processors that share a core count once
     * @param memoryBytes physical memory, in bytes
     * @param heapMaxBytes the most that the Java heap may take, in bytes; tensors live outside of it
     * @param libtorch its version; null where it cannot be loaded
     * @param loadSeconds how long loading it took
     * @param threads that an operation on the CPU may use
     * @param cudaLibrariesMissing of those that libtorch with CUDA takes from the machine; empty for libtorch without
     * @param matmul the peak for each device and type
     * @param cacheFolder where libtorch's libraries are unpacked
     * @param problems what is wrong and what to do, a sentence each
     * @param warnings what could be better
     */
    record Report(
            String moe4j,
            String jdk,
            String os,
            String platform,
            String cpu,
            List<String> cpuFeatures,
            int processors,
            int cores,
            long memoryBytes,
            long heapMaxBytes,
            @Nullable String libtorch,
            double loadSeconds,
            int threads,
            List<String> devices,
            List<String> cudaLibrariesMissing,
            List<Peak> matmul,
            Path cacheFolder,
            long cacheBytes,
            List<Check> checks,
            List<String> problems,
            List<String> warnings) {}

    @Override
    public Integer call() {
        Report report = new Checkup().run();
        output.print(report, out -> print(report, out));
        return report.problems().isEmpty() ? 0 : ExitCode.FAILED;
    }

    private static void print(Report report, PrintWriter out) {
        int width = report.checks().stream()
                .mapToInt(check -> check.name().length())
                .max()
                .orElse(0);
        for (Check check : report.checks()) {
            out.printf("%-4s  %-" + width + "s  %s%n", check.status(), check.name(), check.detail());
        }
        int warnings = report.warnings().size();
        String more = warnings == 0
                ? ""
                : warnings == 1 ? " One warning, see above." : " " + warnings + " warnings, see above.";
        out.println((report.problems().isEmpty() ? "No problems found." : "Not ready, see `fail` above.") + more);
    }
}
