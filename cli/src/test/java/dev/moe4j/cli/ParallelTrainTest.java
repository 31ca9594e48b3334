package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Tests {@code launch -- train} with real processes: results equal to one process, shared checkpoints, failures
 * and restarts.
 */
@EnabledOnOs(OS.LINUX)
class ParallelTrainTest {

    private static final int STEPS = 6;

    /** The collective operations in which a rank of {@code cpu-tiny-moe} can wait for another, with their groups. */
    private static final String EXCHANGE =
            "'(layer [13] (counts|dispatch|combine|combine backward|dispatch backward)' of "
                    + "group expert-0|(tokens of the step|losses of the step|gradient norm|first choices of the "
                    + "step|whether to stop"
                    + "|checkpoint|loss on valid|layer [13] statistics|(gradient|copy) of model\\.[a-z0-9_.]+)' "
                    + "of group [a-z0-9-]+) after ";

    @TempDir
    private static Path common;

    private static Path shards;
    private static Path alone;

    @TempDir
    private Path temp;

    @BeforeAll
    static void trainInOneProcess() throws IOException {
        String documents = IntStream.range(0, 400)
                .mapToObj(i -> "Out, out, brief candle %d! Life's but a walking shadow.\n\n".formatted(i))
                .collect(Collectors.joining());
        Path text = Files.writeString(common.resolve("text.txt"), documents);
        shards = common.resolve("shards");
        Run prepared = Run.of(
                "prepare",
                "--tokenizer=bytes",
                "--split=blank-line",
                "--hold-out=0.1",
                "--out=" + shards,
                text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();
        alone = common.resolve("alone");
        Run run = Run.of(train(alone, STEPS));
        assertThat(run.code()).as(run.err()).isZero();
    }

    private static String[] train(Path out, int steps, String... more) {
        return words(
                more,
                "train",
                "--model=cpu-tiny-moe",
                "--data=" + shards,
                "--steps=" + steps,
                "--out=" + out,
                "--set=precision=fp32",
                "--set=log.every=1",
                "--set=checkpoint.every=3",
                "--set=checkpoint.keep=0",
                "--set=evaluation.every=3",
                "--set=evaluation.windows=3");
    }

    private String[] launch(int processes, int timeout, String[] command, String... more) {
        List<String> words = new ArrayList<>(List.of(
                "launch", "--processes=" + processes, "--threads=1", "--timeout=" + timeout, "--log-dir=" + temp));
        words.addAll(List.of(more));
        words.add("--");
        words.addAll(List.of(command));
        return words.toArray(String[]::new);
    }

    private static String[] words(String[] last, String... first) {
        return Stream.concat(Stream.of(first), Stream.of(last)).toArray(String[]::new);
    }

    private static List<JsonNode> metrics(Path run) throws IOException {
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    /** Asserts that all metrics except times and memory equal those of the run in one process. */
    private static void assertMetricsOfOneProcess(Path run) throws IOException {
        List<JsonNode> expected = metrics(alone);
        List<JsonNode> actual = metrics(run);
        assertThat(actual).hasSize(expected.size());
        for (int i = 0; i < expected.size(); i++) {
            JsonNode line = actual.get(i);
            String at = "step " + (i + 1) + ", ";
            expected.get(i).properties().forEach(field -> {
                String name = field.getKey();
                if (name.matches(".*(second|rss|utilization).*")) {
                    return;
                }
                double value = field.getValue().asDouble();
                assertThat(line.path(name).asDouble())
                        .as(at + name)
                        .isCloseTo(value, within(2e-5 * Math.max(1e-3, Math.abs(value))));
            });
        }
    }

    /** Creates a run in the state of another run after three steps. */
    private static Path halfOf(Path run, Path copy) throws IOException {
        Path checkpoint = Files.createDirectories(copy.resolve("step-00000003"));
        Files.copy(run.resolve("metrics.jsonl"), copy.resolve("metrics.jsonl"));
        try (Stream<Path> files = Files.list(run.resolve("step-00000003"))) {
            for (Path file : files.toList()) {
                Files.copy(file, checkpoint.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    @Test
    void allLayoutsTrainLikeOneProcessAndReadAllCheckpoints() throws IOException {
        Path spread = temp.resolve("spread");
        Run four = Run.of(
                launch(4, 60, train(spread, STEPS, "--set=parallel.expert=2", "--set=parallel.shard=parameters")));
        assertThat(four.code()).as(four.err()).isZero();
        assertMetricsOfOneProcess(spread);
        assertThat(metrics(spread).getLast().path("exchange_seconds").asDouble())
                .isPositive();
        assertThat(JsonMapper.shared()
                        .readTree(Files.readString(spread.resolve("step-00000006/state.json")))
                        .path("layout")
                        .toString())
                .isEqualTo("{\"world\":4,\"expert\":2}");

        Path one = halfOf(spread, temp.resolve("one"));
        Run resumed = Run.of(train(one, STEPS, "--resume"));
        assertThat(resumed.code()).as(resumed.err()).isZero();
        assertThat(resumed.err()).contains("after step 3 of 6");
        assertMetricsOfOneProcess(one);

        Path two = halfOf(alone, temp.resolve("two"));
        Run other = Run.of(launch(
                2, 60, train(two, STEPS, "--resume", "--set=parallel.expert=2", "--set=parallel.shard=optimizer")));
        assertThat(other.code()).as(other.err()).isZero();
        assertThat(other.err()).contains("after step 3 of 6");
        assertThat(temp.resolve("rank-1.log")).content().contains("1 threads for each operation");
        assertMetricsOfOneProcess(two);
    }

    @Test
    void allRanksReportAFailureOfOneRank() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess holder = RealProcess.start(temp.resolve("err"), train(out, 1_000_000));
        try {
            awaitStep(holder, out, 1);
            Run refused = Run.of(launch(2, 60, train(out, STEPS, "--resume")));
            assertThat(refused.code()).isEqualTo(1);
            assertThat(refused.err()).contains("is in use by another process");
            assertThat(Files.readString(temp.resolve("rank-1.log")))
                    .contains("'newest checkpoint' of group world")
                    .contains("rank 0 failed: " + out + " is in use by another process");
        } finally {
            holder.process().destroyForcibly();
            holder.code();
        }
    }

    /** Restarts add --resume, and would continue the existing run. */
    @Test
    void restartsDoNotContinueAnExistingRun() {
        Run refused = Run.of(launch(2, 60, train(alone, STEPS), "--restarts=1"));
        assertThat(refused.code()).as(refused.err()).isEqualTo(2);
        assertThat(refused.err())
                .contains("already holds a run; resume it")
                .contains("failed with exit code 2, in attempt 1;");
    }

    @Test
    void aKilledRankIsNamedAndTheRunContinues() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess launcher = RealProcess.start(
                temp.resolve("err"),
                launch(2, 60, train(out, 30, "--set=parallel.expert=2", "--set=checkpoint.every=2"), "--restarts=1"));
        try {
            awaitStep(launcher, out, 4);
            rank(launcher, 1).destroyForcibly();
            assertThat(launcher.code()).as(launcher.said()).isZero();
        } finally {
            launcher.process().destroyForcibly();
        }
        assertThat(launcher.said())
                .containsPattern("rank 0 gave up " + EXCHANGE + ".* rank 1 has died")
                .contains("resuming " + out);
        assertThat(metrics(out)).hasSize(30);
    }

    @Test
    void aStoppedRankIsNamed() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess launcher =
                RealProcess.start(temp.resolve("err"), launch(2, 5, train(out, 1_000_000, "--set=parallel.expert=2")));
        List<ProcessHandle> ranks;
        try {
            awaitStep(launcher, out, 1);
            ranks = launcher.process().descendants().toList();
            new ProcessBuilder("kill", "-STOP", String.valueOf(rank(launcher, 1).pid()))
                    .start()
                    .waitFor();
            assertThat(launcher.code()).as(launcher.said()).isEqualTo(1);
        } finally {
            launcher.process().destroyForcibly();
        }
        assertThat(launcher.said()).containsPattern("rank 0 gave up " + EXCHANGE + ".* rank 1 does not answer");
        assertThat(ranks).hasSize(2).noneMatch(ProcessHandle::isAlive);
    }

    /** A scheduler may signal one process only. */
    @Test
    void sigtermAtOneRankEndsAllAfterTheSameStep() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess launcher = RealProcess.start(
                temp.resolve("err"),
                launch(
                        2,
                        60,
                        train(out, 1_000_000, "--set=checkpoint.every=0", "--set=checkpoint.keep_best=false"),
                        "--restarts=1"));
        try {
            awaitStep(launcher, out, 2);
            rank(launcher, 1).destroy();
            assertThat(launcher.code()).as(launcher.said()).isEqualTo(128 + 15);
        } finally {
            launcher.process().destroyForcibly();
        }
        int steps = metrics(out).size();
        try (Stream<Path> files = Files.list(out)) {
            assertThat(files.map(file -> file.getFileName().toString()).filter(name -> name.startsWith("step-")))
                    .containsExactly("step-%08d".formatted(steps));
        }
        Run resumed = Run.of(train(out, steps + 2, "--resume", "--allow-change=steps"));
        assertThat(resumed.code()).as(resumed.err()).isZero();
        assertThat(resumed.err()).contains("after step %,d of".formatted(steps));
    }

    /** One out-of-vocabulary token lies on one rank, whose step throws. */
    @Test
    void anExceptionOfOneRankIsQuoted() throws IOException {
        Path spoiled = Files.createDirectory(temp.resolve("spoiled"));
        try (Stream<Path> files = Files.list(shards)) {
            for (Path file : files.toList()) {
                Files.copy(file, spoiled.resolve(file.getFileName()));
            }
        }
        Path tokens;
        try (Stream<Path> files = Files.list(spoiled)) {
            tokens = files.filter(file -> file.getFileName().toString().matches("train.*\\.bin"))
                    .findFirst()
                    .orElseThrow();
        }
        byte[] ids = Files.readAllBytes(tokens);
        ids[ids.length / 4 * 2] = (byte) 0xff;
        ids[ids.length / 4 * 2 + 1] = (byte) 0xff;
        Files.write(tokens, ids);
        Path out = temp.resolve("run");
        String[] command = train(out, 1_000_000, "--set=parallel.expert=2");
        command[2] = "--data=" + spoiled;
        Run run = Run.of(launch(2, 60, command));
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        List<String> logs =
                List.of(Files.readString(temp.resolve("rank-0.log")), Files.readString(temp.resolve("rank-1.log")));
        int thrower = logs.getFirst().contains("gave up") ? 1 : 0;
        assertThat(logs.get(thrower)).contains("65535").doesNotContain("gave up");
        assertThat(logs.get(1 - thrower))
                .containsPattern("rank %d gave up 'tokens of the step' of group world after .*: rank %d failed: .*65535"
                        .formatted(1 - thrower, thrower));
    }

    @Test
    void everyRankReportsWhereTheLossIsNotFinite() throws IOException {
        Path out = temp.resolve("run");
        Run run = Run.of(
                launch(2, 60, train(out, STEPS, "--set=parallel.expert=2", "--set=optimizer.learning_rate=1e30")));
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        Pattern message = Pattern.compile("moe4j: (step \\d+: the loss is .*, first in .* of rank [01], at [^;]+);");
        List<String> places = new ArrayList<>();
        for (int rank = 0; rank < 2; rank++) {
            Matcher found = message.matcher(Files.readString(temp.resolve("rank-" + rank + ".log")));
            assertThat(found.find()).as("rank " + rank).isTrue();
            places.add(found.group(1));
        }
        assertThat(places.getFirst()).isEqualTo(places.getLast());
    }

    private static void awaitStep(RealProcess process, Path out, int lines) throws IOException, InterruptedException {
        Path metrics = out.resolve("metrics.jsonl");
        while (process.alive()
                && !(Files.exists(metrics) && Files.readAllLines(metrics).size() >= lines)) {
            Thread.sleep(20);
        }
        assertThat(process.alive()).as(process.said()).isTrue();
    }

    /** Finds a launcher's child process by the rank in its environment. */
    private static ProcessHandle rank(RealProcess launcher, int rank) throws IOException {
        for (ProcessHandle child : launcher.process().children().toList()) {
            Path environment = Path.of("/proc", String.valueOf(child.pid()), "environ");
            if (List.of(Files.readString(environment).split("\0")).contains("RANK=" + rank)) {
                return child;
            }
        }
        throw new AssertionError("rank " + rank + " is not there: " + launcher.said());
    }
}
