package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.moe4j.base.machine.Processors;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class ProcessorsTest {

    @TempDir
    private Path folder;

    @Test
    void siblingsShareACore() throws IOException {
        core("0,4", 0, 4);
        core("1,5", 1, 5);
        core("2,6", 2, 6);
        core("3,7", 3, 7);
        assertThat(cores("0-7", 8)).isEqualTo(4);
        assertThat(cores("0-3", 4)).isEqualTo(4);
        assertThat(cores("0,4", 2)).as("both of one core").isEqualTo(1);
        assertThat(cores("0-1,4-6", 5)).isEqualTo(3);
        assertThat(cores("7", 1)).isEqualTo(1);
    }

    @Test
    void aQuotaLimitsTheCores() throws IOException {
        core("0", 0);
        core("1", 1);
        core("2", 2);
        assertThat(cores("0-2", 2)).isEqualTo(2);
        assertThat(cores("0-2", 1)).isEqualTo(1);
    }

    @Test
    void olderKernelsListSiblingsInAnotherFile() throws IOException {
        for (int processor : new int[] {0, 1}) {
            Path topology = Files.createDirectories(folder.resolve("cpu" + processor + "/topology"));
            Files.writeString(topology.resolve("thread_siblings_list"), "0-1\n");
        }
        assertThat(cores("0-1", 2)).isEqualTo(1);
    }

    @Test
    void withoutTopologyEachProcessorIsACore() throws IOException {
        assertThat(cores("0-2", 3)).isEqualTo(3);
        assertThat(Processors.cores(folder.resolve("none"), folder, 6)).isEqualTo(6);
        Path silent = Files.writeString(folder.resolve("silent"), "Name:\tjava\n");
        assertThat(Processors.cores(silent, folder, 5)).isEqualTo(5);
    }

    @Test
    void theEnvironmentOverrides() {
        assertThat(requested("3")).hasValue(3);
        assertThat(requested(" 4,2 ")).hasValue(4);
        for (String noNumber : new String[] {"", "0", "-1", "two", "99999999999"}) {
            assertThat(requested(noNumber)).as(noNumber).isEmpty();
        }
        assertThat(Processors.requested(Map.of())).isEmpty();
    }

    private static OptionalInt requested(String value) {
        return Processors.requested(Map.of("OMP_NUM_THREADS", value));
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void everyCoreHasAThread() throws Exception {
        assertThat(threads(List.of(), Map.of())).isEqualTo(Processors.cores());
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void theEnvironmentSetsTheThreadsOfAProcess() throws Exception {
        assertThat(threads(List.of(), Map.of("OMP_NUM_THREADS", "3"))).isEqualTo(3);
    }

    /** With OMP_DYNAMIC=true OpenMP would use fewer threads on a busy machine. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void theLoadOfTheMachineDoesNotSetTheThreads() throws Exception {
        assertThat(threads(List.of(), Map.of("OMP_DYNAMIC", "true"))).isEqualTo(Processors.cores());
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void affinityLimitsTheThreads() throws Exception {
        assumeThat(Path.of("/usr/bin/taskset")).exists();
        String first = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("Cpus_allowed_list:"))
                .map(line -> line.replaceAll("\\D*(\\d+).*", "$1"))
                .findFirst()
                .orElseThrow();
        assertThat(threads(List.of("/usr/bin/taskset", "-c", first), Map.of())).isEqualTo(1);
    }

    /** Needs permission to create a cgroup, and at least two cores. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aCgroupsQuotaLimitsTheThreads() throws Exception {
        assumeThat(Processors.cores()).isGreaterThan(1);
        Path parent = Path.of("/sys/fs/cgroup/cpu");
        assumeThat(parent.resolve("cpu.cfs_quota_us")).as("cgroup v1").exists();
        assumeThat(Files.isWritable(parent)).as("may make a cgroup").isTrue();
        Path group = Files.createDirectory(
                parent.resolve("moe4j-test-" + ProcessHandle.current().pid()));
        try {
            Files.writeString(group.resolve("cpu.cfs_period_us"), "100000");
            Files.writeString(group.resolve("cpu.cfs_quota_us"), "100000");
            String join = "echo $$ >" + group.resolve("cgroup.procs") + " && exec \"$@\"";
            assertThat(threads(List.of("/bin/sh", "-c", join, "sh"), Map.of())).isEqualTo(1);
        } finally {
            Files.delete(group);
        }
    }

    /** Prints the numbers of threads of a new process. */
    static final class Threads {
        private Threads() {}

        public static void main(String[] args) {
            Libtorch.load();
            System.out.println("threads " + Libtorch.threads() + " "
                    + torch.get_num_threads() + " " + LibtorchTest.threadsOfOpenBlas() + " "
                    + LibtorchTest.number("omp_get_dynamic"));
        }
    }

    /** The number of threads in a new process. libtorch and moe4j must agree on it, and OpenBLAS must have one. */
    private static int threads(List<String> prefix, Map<String, String> environment) throws Exception {
        List<String> command = new ArrayList<>(prefix);
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Threads.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().remove("OMP_NUM_THREADS");
        builder.environment().remove("OPENBLAS_NUM_THREADS");
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        assertThat(process.waitFor()).as(output).isZero();
        String[] words = output.split(" ", -1);
        assertThat(words).as(output).hasSize(5);
        assertThat(words[2]).as(output).isEqualTo(words[1]);
        assertThat(words[3]).as(output).isEqualTo("1");
        assertThat(words[4]).as("depends on the load").isEqualTo("0");
        return Integer.parseInt(words[1]);
    }

    private int cores(String allowed, int available) throws IOException {
        Path status = Files.writeString(
                folder.resolve("status"), "Name:\tjava\nCpus_allowed:\tff\nCpus_allowed_list:\t" + allowed + "\n");
        return Processors.cores(status, folder, available);
    }

    private void core(String siblings, int... processors) throws IOException {
        for (int processor : processors) {
            Path topology = Files.createDirectories(folder.resolve("cpu" + processor + File.separator + "topology"));
            Files.writeString(topology.resolve("core_cpus_list"), siblings + "\n");
        }
    }
}
