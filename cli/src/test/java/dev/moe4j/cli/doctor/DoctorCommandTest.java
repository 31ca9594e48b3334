package dev.moe4j.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.cli.Main;
import dev.moe4j.cli.Run;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class DoctorCommandTest {
    @Test
    void printsTheChecks() {
        Run run = Run.of("doctor");

        assertThat(run.code()).as(run.out()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out().lines())
                .anyMatch(line -> line.matches("ok +JDK .*25.*"))
                .anyMatch(line -> line.matches("(ok|warn) +processor .* cores.*"))
                .anyMatch(line -> line.matches("(ok|warn) +memory .*GiB, Java heap up to .*GiB.*"))
                .anyMatch(line -> line.matches("ok +libtorch +2\\.\\d+\\.\\d+, loaded in .* s, \\d+ threads"))
                .anyMatch(line -> line.matches("ok +fp32 product against fp64 +error .*"))
                .anyMatch(line -> line.matches("ok +gradient against its formula +error .*"))
                .anyMatch(line -> line.matches("ok +matrix products +bf16 \\d+, fp32 \\d+, fp64 \\d+ GFLOP/s.*"))
                .noneMatch(line -> line.startsWith("fail"));
        assertThat(run.out()).contains("\nNo problems found.");
    }

    @Test
    void jsonIsOneObjectInOneLine() {
        Run run = Run.of("doctor", "--json");

        assertThat(run.code()).isZero();
        assertThat(run.out()).hasLineCount(1).endsWith("}\n");
        JsonNode json = JsonMapper.shared().readTree(run.out());
        assertThat(json.path("processors").asInt())
                .isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(json.path("cores").asInt())
                .isBetween(1, json.path("processors").asInt());
        assertThat(json.path("memory_bytes").asLong())
                .isGreaterThan(json.path("heap_max_bytes").asLong() / 2);
        assertThat(json.path("libtorch").asString()).isNotEmpty();
        assertThat(json.path("threads").asInt()).isPositive();
        assertThat(json.path("devices").get(0).asString()).isEqualTo("cpu");
        assertThat(json.path("matmul").get(0).path("gflops").asDouble()).isPositive();
        assertThat(json.path("cache_bytes").asLong()).isPositive();
        assertThat(json.path("checks").get(0).path("status").asString()).isEqualTo("ok");
        assertThat(json.path("problems").isEmpty()).isTrue();
    }

    @Test
    void fewerThreadsThanCoresAreAWarning() {
        Checkup set = new Checkup(Map.of("OMP_NUM_THREADS", "1"));
        set.checkThreads(1, 2);
        assertThat(set.check("threads"))
                .isEqualTo(new DoctorCommand.Check(
                        "threads",
                        DoctorCommand.Status.WARN,
                        "1 per operation, on 2 cores; training is slower than necessary: unset "
                                + "OMP_NUM_THREADS (now 1)"));
        Checkup bare = new Checkup(Map.of());
        bare.checkThreads(1, 2);
        assertThat(bare.check("threads").detail()).endsWith("set OMP_NUM_THREADS=2");
        Checkup all = new Checkup(Map.of());
        all.checkThreads(2, 2);
        assertThat(all.check("threads").status()).isEqualTo("ok");
    }

    @Test
    void foreignCopiesOfLibtorchAreReported(@TempDir Path temp) throws IOException {
        Path debian = Files.createDirectory(temp.resolve("debian"));
        Path foreign = Files.createFile(debian.resolve("libtorch_cpu.so")).toRealPath();
        Path ours = temp.resolve("cache/libtorch_cpu.so");
        Files.writeString(temp.resolve("debian.conf"), "# a comment\n" + debian + "\n");
        List<Path> folders = ForeignLibtorch.configured(temp).map(Path::of).toList();
        assertThat(folders).containsExactly(debian);
        List<Path> installed = ForeignLibtorch.installed(List.of(debian, temp.resolve("none"), debian));
        assertThat(installed).containsExactly(foreign);
        Path maps = Files.writeString(temp.resolve("maps"), """
                7f0-7f1 r--p 00000000 08:01 11 %s
                7f1-7f2 r-xp 00001000 08:01 11 %s
                7f3-7f4 r--p 00000000 08:01 12 /usr/lib/libc.so.6
                """.formatted(ours, ours));
        List<Path> loaded = ForeignLibtorch.loaded(maps);
        assertThat(loaded).containsExactly(ours);

        assertThat(copies(loaded, installed))
                .isEqualTo(new DoctorCommand.Check(
                        "copies of libtorch",
                        DoctorCommand.Status.OK,
                        foreign + " is installed but not used by moe4j"));
        assertThat(copies(List.of(foreign), installed).detail())
                .isEqualTo(foreign + ", installed on this machine, is used");
        DoctorCommand.Check both = copies(List.of(foreign, ours), installed);
        assertThat(both.status()).isEqualTo("fail");
        assertThat(both.detail()).startsWith(foreign + ", " + ours + " are loaded together");
    }

    private static DoctorCommand.Check copies(List<Path> loaded, List<Path> installed) {
        Checkup checkup = new Checkup(Map.of());
        checkup.checkCopies(loaded, installed);
        return checkup.check("copies of libtorch");
    }

    @Test
    void aMissingLibraryFails() throws IOException, InterruptedException {
        String classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !new File(entry).getName().matches("pytorch-.*-(linux|macosx|windows)-.*\\.jar"))
                .collect(Collectors.joining(File.pathSeparator));
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        classPath,
                        Main.class.getName(),
                        "doctor")
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(output).contains("Not ready, see `fail` above.").doesNotContain("\tat ");
        assertThat(output.lines()).anyMatch(line -> line.matches("fail +libtorch +no libraries for .*; start with .*"));
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void suggestsALongerSpinCountForIdleMachines() {
        Map<String, String> set =
                new HashMap<>(Checkup.LAUNCHER_VARIABLES.stream().collect(Collectors.toMap(name -> name, _ -> "1")));
        set.put("GOMP_SPINCOUNT", "1000");
        assertThat(environmentOf(set)).contains("as ./moe4j sets it", "GOMP_SPINCOUNT=300000");
        set.put("GOMP_SPINCOUNT", "300000");
        assertThat(environmentOf(set)).isEqualTo("as ./moe4j sets it");
    }

    private static String environmentOf(Map<String, String> variables) {
        Checkup checkup = new Checkup(variables);
        checkup.checkEnvironment();
        return checkup.check("environment").detail();
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void missingEnvironmentVariablesAreAWarning() {
        DoctorCommand.Report bare = new Checkup(Map.of("OPENBLAS_CORETYPE", "Haswell")).run();

        assertThat(bare.problems()).isEmpty();
        assertThat(bare.warnings())
                .filteredOn(text -> text.startsWith("environment:"))
                .singleElement()
                .asString()
                .contains(
                        "MALLOC_ARENA_MAX is not set",
                        "GOMP_SPINCOUNT is not set",
                        "OPENBLAS_CORETYPE is inherited",
                        "./moe4j");
        assertThat(bare.checks())
                .filteredOn(check -> check.name().equals("environment"))
                .extracting(DoctorCommand.Check::status)
                .isEqualTo(List.of("warn"));
    }
}
