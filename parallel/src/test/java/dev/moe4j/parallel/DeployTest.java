package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.parallel.rendezvous.RankEnvironment;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MappingIterator;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** Checks that the files in deploy/ set the variables that {@link RankEnvironment} reads. */
class DeployTest {

    private static final Path DEPLOY = Path.of("..", "deploy");
    private static final int RANKS = 4;
    private static final int PER_NODE = 2;

    /** Imitates srun: starts one process per task, with the task's variables. */
    private static final String SRUN = """
            #!/bin/bash
            set -euo pipefail
            echo "srun $*" >"$TEST_FOLDER/srun"
            while [[ $1 == --* ]]; do shift; done
            export SLURM_STEP_NUM_TASKS=%d SLURM_STEP_NODELIST=localhost,node2 SLURM_STEP_TASKS_PER_NODE='%d(x2)'
            pids=()
            for task in $(seq 0 %d); do
              SLURM_PROCID=$task SLURM_LOCALID=$((task %% %d)) "$@" >"$TEST_FOLDER/task-$task" 2>&1 &
              pids+=($!)
            done
            code=0
            for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
            exit $code
            """.formatted(RANKS, PER_NODE, RANKS - 1, PER_NODE);

    @TempDir
    private Path folder;

    /** A restart adds --resume only once. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    @DisabledOnOs(OS.WINDOWS)
    void slurm(boolean resumes) throws IOException, InterruptedException {
        Path bin = Files.createDirectory(folder.resolve("bin"));
        script(bin.resolve("srun"), SRUN);
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        script(folder.resolve("moe4j"), """
                #!/bin/bash
                printf '%%s\\n' "$*" "$OMP_NUM_THREADS $OPENBLAS_NUM_THREADS" >"$TEST_FOLDER/moe4j-$SLURM_PROCID"
                exec '%s' -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.bytedeco.javacpp.nopointergc=true \\
                  --enable-native-access=ALL-UNNAMED -cp '%s' %s sum
                """.formatted(
                        java, System.getProperty("java.class.path"), LaunchedMain.class.getName()));

        List<String> command = new ArrayList<>(
                List.of("bash", DEPLOY.resolve("slurm/train.sbatch").toString(), "--data", "two words"));
        if (resumes) {
            command.add("--resume");
        }
        try (ReservedPort port = ReservedPort.take()) {
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("output").toFile());
            Map<String, String> environment = builder.environment();
            environment.put("PATH", bin + ":" + System.getenv("PATH"));
            environment.put("TEST_FOLDER", folder.toString());
            environment.put("SLURM_SUBMIT_DIR", folder.toString());
            environment.put("SLURM_JOB_ID", String.valueOf(port.slurmJob()));
            environment.put("SLURM_CPUS_PER_TASK", "3");
            environment.put("SLURM_RESTART_COUNT", "1");
            // The batch script itself is not a rank.
            environment.put("SLURM_PROCID", "0");
            Process batch = builder.start();
            try {
                assertThat(batch.waitFor(Ranks.STUCK_SECONDS, TimeUnit.SECONDS)).isTrue();
                assertThat(batch.exitValue()).as(read("output") + tasks()).isZero();
            } finally {
                batch.descendants().forEach(ProcessHandle::destroyForcibly);
                batch.destroyForcibly();
            }
        }
        assertThat(read("srun")).startsWith("srun --cpus-per-task=3 --kill-on-bad-exit=1 ");
        for (int rank = 0; rank < RANKS; rank++) {
            assertThat(read("task-" + rank)).contains("rank %d of 4 sum 6.0".formatted(rank));
            assertThat(read("moe4j-" + rank)).isEqualTo("train --data two words --resume\n3 3\n");
        }
    }

    private String tasks() throws IOException {
        StringBuilder all = new StringBuilder();
        for (int rank = 0; rank < RANKS; rank++) {
            all.append(read("task-" + rank));
        }
        return all.toString();
    }

    private String read(String name) throws IOException {
        Path file = folder.resolve(name);
        return Files.exists(file) ? Files.readString(file) : "";
    }

    private static void script(Path file, String text) throws IOException {
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** Only the CUDA libraries can use PyTorch's libtorch. The check runs before the check of the folder. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void withoutCudaNothingTakesLibtorchsPlace() throws IOException, InterruptedException {
        Files.writeString(folder.resolve("full"), "");
        Process pack = new ProcessBuilder(
                        "bash",
                        DEPLOY.resolve("offline/pack.sh").toString(),
                        "--use-machine-libtorch",
                        folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile())
                .start();

        assertThat(pack.waitFor()).as(read("output")).isEqualTo(2);
        assertThat(read("output")).contains("pack: --use-machine-libtorch needs --cuda");
    }

    @Test
    void kubernetes() throws IOException {
        ObjectMapper mapper = new YAMLMapper();
        JsonNode service;
        JsonNode job;
        try (MappingIterator<JsonNode> documents = mapper.readerFor(JsonNode.class)
                .readValues(Files.readString(DEPLOY.resolve("kubernetes/train.yaml")))) {
            service = documents.next();
            job = documents.next();
            assertThat(documents.hasNext()).isFalse();
        }
        String name = job.at("/metadata/name").asString();
        JsonNode pod = job.at("/spec/template/spec");
        assertThat(service.at("/kind").asString()).isEqualTo("Service");
        assertThat(service.at("/spec/clusterIP").asString()).as("headless").isEqualTo("None");
        assertThat(service.at("/spec/publishNotReadyAddresses").asBoolean()).isTrue();
        assertThat(service.at("/spec/selector/job-name").asString()).isEqualTo(name);
        assertThat(job.at("/kind").asString()).isEqualTo("Job");
        assertThat(job.at("/spec/completionMode").asString()).isEqualTo("Indexed");
        assertThat(pod.at("/subdomain")).isEqualTo(service.at("/metadata/name"));
        assertThat(pod.at("/containers/0/command/1").asString()).isEqualTo("train");

        Map<String, String> variables = new HashMap<>();
        pod.at("/containers/0/env")
                .forEach(entry -> variables.put(
                        entry.get("name").asString(), entry.get("value").asString()));
        int ranks = job.at("/spec/completions").asInt();
        assertThat(job.at("/spec/parallelism").asInt()).as("all at a time").isEqualTo(ranks);
        for (int rank = 0; rank < ranks; rank++) {
            variables.put("JOB_COMPLETION_INDEX", String.valueOf(rank));
            RankEnvironment environment = RankEnvironment.of(variables);
            assertThat(environment.rank()).isEqualTo(rank);
            assertThat(environment.world()).isEqualTo(ranks);
            assertThat(environment.meeting())
                    .isEqualTo(URI.create("tcp://%s-0.%s:%d"
                            .formatted(
                                    name,
                                    pod.at("/subdomain").asString(),
                                    service.at("/spec/ports/0/port").asInt())));
        }
    }
}
