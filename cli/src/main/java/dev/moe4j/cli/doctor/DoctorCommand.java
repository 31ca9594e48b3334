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

/** {@code moe4j doctor}: checks the machine's hardware, libraries and numerical correctness. */
@Command(
        name = "doctor",
        description = {
            "Check this machine: hardware, libraries and numerical correctness.",
            "Exits with 1 if any check is marked `fail`."
        })
public final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    DoctorCommand() {}

    /** The outcome of a check. */
    enum Status {
        OK,
        WARN,
        FAIL
    }

    /**
     * One check: a line of the table.
     *
     * @param status {@code ok}, {@code warn} or {@code fail}
     * @param detail the finding and, if it is not ok, the remedy
     */
    record Check(String name, String status, String detail) {
        Check(String name, Status status, String detail) {
            this(name, status.name().toLowerCase(Locale.ROOT), detail);
        }
    }

    /**
     * The measured peak of matrix products in a data type.
     *
     * @param gflops GFLOP/s: 10⁹ floating-point operations per second
     */
    record Peak(String device, String dtype, double gflops) {}

    /**
     * The result that {@code --json} prints.
     *
     * @param cpuFeatures the processor's instruction sets that affect speed
     * @param processors the processors that this JVM may use
     * @param cores the same, counting processors that share a core once
     * @param memoryBytes the physical memory, in bytes
     * @param heapMaxBytes the maximum size of the Java heap, in bytes; tensors are outside the heap
     * @param libtorch libtorch's version; null if it cannot be loaded
     * @param loadSeconds the time to load libtorch, in seconds
     * @param threads the threads that a CPU operation may use
     * @param cudaLibrariesMissing libraries that the CUDA build of libtorch needs and that are missing; empty for
     * the CPU build
     * @param matmul the peak for each device and data type
     * @param cacheFolder the folder where libtorch's libraries are unpacked
     * @param problems one sentence per problem, with its remedy
     * @param warnings one sentence per possible improvement
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
