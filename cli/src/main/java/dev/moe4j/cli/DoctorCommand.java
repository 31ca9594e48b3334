package dev.moe4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code moe4j doctor}: what this machine offers, and what is wrong with it. */
@Command(name = "doctor", description = "Say what this machine offers, and what is wrong with it.")
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    DoctorCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param cores processors that this JVM may use
     * @param memoryBytes physical memory, in bytes
     * @param heapMaxBytes the most that the Java heap may take, in bytes; tensors live outside of it
     * @param libtorch whether libtorch's libraries for this platform are on the class path
     * @param problems what is wrong and what to do, a sentence each
     */
    record Report(
            String moe4j,
            String jdk,
            String os,
            String platform,
            String cpu,
            int cores,
            long memoryBytes,
            long heapMaxBytes,
            boolean libtorch,
            List<String> problems) {}

    @Override
    public Integer call() {
        Report report = examine();
        output.print(report, out -> print(report, out));
        return report.problems().isEmpty() ? 0 : Main.FAILED;
    }

    private static Report examine() {
        String platform = Platform.name();
        boolean libtorch = DoctorCommand.class
                        .getClassLoader()
                        .getResource("org/bytedeco/pytorch/" + platform + "/" + System.mapLibraryName("jnitorch"))
                != null;
        List<String> problems = new ArrayList<>();
        if (!libtorch) {
            problems.add("libtorch has no libraries for " + platform + " on the class path; start with ./moe4j, on "
                    + "Linux x86-64, macOS arm64 or Windows x86-64");
        }
        return new Report(
                Version.moe4j(),
                System.getProperty("java.vendor") + " " + Runtime.version(),
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                platform,
                cpu(),
                Runtime.getRuntime().availableProcessors(),
                ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                        .getTotalMemorySize(),
                Runtime.getRuntime().maxMemory(),
                libtorch,
                problems);
    }

    /** Returns the processor's name as Linux knows it; elsewhere its architecture. */
    private static String cpu() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(System.getProperty("os.arch"));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    private static void print(Report report, PrintWriter out) {
        out.printf("moe4j      %s%n", report.moe4j());
        out.printf("JDK        %s%n", report.jdk());
        out.printf("system     %s (%s)%n", report.os(), report.platform());
        out.printf("processor  %s, %d cores%n", report.cpu(), report.cores());
        out.printf(
                "memory     %.1f GiB, Java heap up to %.1f GiB%n",
                gib(report.memoryBytes()), gib(report.heapMaxBytes()));
        out.printf("libtorch   %s%n", report.libtorch() ? "on the class path" : "missing");
        report.problems().forEach(problem -> out.println("problem: " + problem));
        out.println(report.problems().isEmpty() ? "No problems found." : "Not ready, see above.");
    }

    private static double gib(long bytes) {
        return bytes / (double) (1L << 30);
    }
}
