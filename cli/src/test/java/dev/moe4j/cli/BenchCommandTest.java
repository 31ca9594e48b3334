package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.moe4j.bench.command.BenchMemoryCommand;
import dev.moe4j.bench.command.BenchPrecisionCommand;
import dev.moe4j.console.output.CliException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.hardware.AutoPrecision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchCommandTest {
    private static final String TINY = "--preset=cpu-tiny-moe";

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    @Test
    void trainMeasuresFullSteps() {
        JsonNode json = json(Run.of("bench", "train", TINY, "--precision=fp32", "--steps=5", "--warmup=2", "--json"));

        assertThat(json.propertyNames())
                .containsExactly(
                        "preset",
                        "dtype",
                        "threads",
                        "parameters_total",
                        "parameters_active",
                        "flops_per_token",
                        "tokens_per_second",
                        "gemm_peak_gflops",
                        "fraction_of_peak",
                        "bandwidth_gbs",
                        "peak_rss_bytes",
                        "sections",
                        "optimizer_ms",
                        "optimizer_floor_ms",
                        "expert_load",
                        "exchange_share",
                        "memory");
        assertThat(json.path("memory").get(0).path("planned_bytes").asLong()).isPositive();
        assertThat(json.path("expert_load").path("idle").asDouble()).isBetween(0.0, 1.0);
        assertThat(json.path("expert_load").path("busiest").asDouble()).isGreaterThan(1.0);
        assertThat(json.path("dtype").asString()).isEqualTo("fp32");
        assertThat(json.path("parameters_active").asLong())
                .isLessThan(json.path("parameters_total").asLong());
        assertThat(json.path("fraction_of_peak").asDouble()).isBetween(0.0, 1.0);
        assertThat(json.path("fraction_of_peak").asDouble())
                .isEqualTo(json.path("flops_per_token").asDouble()
                        * json.path("tokens_per_second").asDouble()
                        / (json.path("gemm_peak_gflops").asDouble() * 1e9));
        assertThat(json.path("sections").get(0).propertyNames())
                .containsExactly("name", "forward_ms", "backward_ms", "floor_ms");
        for (JsonNode section : json.path("sections")) {
            assertThat(section.path("floor_ms").asDouble())
                    .as(section.path("name").asString())
                    .isPositive();
        }
        assertThat(json.path("optimizer_ms").asDouble()).isPositive();
        assertThat(json.path("optimizer_floor_ms").asDouble()).isPositive();
    }

    @Test
    void dataMeasuresTokenizingPreparingAndReading(@TempDir Path folder) throws IOException {
        Path text =
                Files.writeString(folder.resolve("text.txt"), "some words of text\n\nand others, too\n\n".repeat(5000));
        Path out = folder.resolve("out");

        JsonNode json = json(Run.of("bench", "data", "--data=" + text, "--mib=1", "--out=" + out, "--json"));

        assertThat(json.path("text_bytes").asLong()).isBetween(900_000L, 1_200_000L);
        assertThat(json.path("tokens").asLong()).isPositive();
        for (String rate : List.of("tokenizer", "jtokkit", "hugging_face")) {
            assertThat(json.path(rate + "_bytes_per_core_second").asDouble())
                    .as(rate)
                    .isPositive();
        }
        assertThat(json.path("prepare_bytes_per_second").asDouble()).isPositive();
        assertThat(json.path("read_tokens_per_second").asDouble()).isPositive();
        assertThat(json.path("read_tokens_per_core_second").asDouble()).isPositive();
        assertThat(json.path("prepare_efficiency").asDouble())
                .isEqualTo(json.path("prepare_bytes_per_second").asDouble()
                        / (json.path("threads").asInt()
                                * json.path("tokenizer_bytes_per_core_second").asDouble()));
        assertThat(json.path("prepare_cores").asDouble()).isBetween(0.0, 64.0);
        assertThat(out).isEmptyDirectory();

        Run table = Run.of("bench", "data", "--data=" + text, "--tokenizer=bytes", "--mib=1");
        assertThat(table.code()).as(table.err()).isZero();
        assertThat(table.out()).contains("tokenizer ", "prepare ", "read ").doesNotContain("jtokkit");
        assertThat(Run.of("bench", "data", "--mib=0").code()).isEqualTo(2);
    }

    @Test
    void growthMeasuresEverySizeAndDrawsThem(@TempDir Path folder) throws IOException {
        Path figure = folder.resolve("growth.svg");
        JsonNode json = json(Run.of(
                "bench",
                "growth",
                TINY,
                "--precision=fp32",
                "--experts=4,8",
                "--lengths=32,64",
                "--rounds=1",
                "--steps=1",
                "--figure=" + figure,
                "--json"));

        assertThat(json.path("experts").get(1).path("value").asInt()).isEqualTo(8);
        assertThat(json.path("experts").get(1).path("flops_over_first").asDouble())
                .as("more experts add FLOPs of the router only")
                .isBetween(1.0, 1.05);
        assertThat(json.path("lengths").get(1).path("flops_over_first").asDouble())
                .as("longer sequences add FLOPs of attention")
                .isBetween(1.01, 1.5);
        for (JsonNode size :
                List.of(json.path("experts").get(1), json.path("lengths").get(1))) {
            assertThat(size.path("step_ms").asDouble()).isPositive();
            assertThat(size.path("fraction_of_peak").asDouble()).isBetween(0.0, 1.0);
        }
        assertThat(figure).content().contains("<svg", "experts, at equal FLOPs").endsWith("</svg>\n");

        Run table = Run.of("bench", "growth", TINY, "--experts=4", "--lengths=64", "--rounds=1", "--steps=1");
        assertThat(table.code()).as(table.err()).isZero();
        assertThat(table.out()).contains("experts ", "length ", "FLOPs of first");
        assertFails(Run.of("bench", "growth", TINY, "--lengths=7"), "sequences of 7 tokens do not divide");
        assertFails(Run.of("bench", "growth", TINY, "--figure=" + folder.resolve("no/x.svg")), "cannot be written");
        assertThat(Run.of("bench", "growth", "--rounds=0").code()).isEqualTo(2);
    }

    @Test
    void trainPrintsATable() {
        Run run = Run.of("bench", "train", TINY, "--precision=fp32", "--steps=5", "--warmup=2");

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("cpu-tiny-moe in fp32", "tokens/s", "of the peak of", "idle, the busiest has", "optimizer ");
        assertThat(run.err()).contains("bench cpu-tiny-moe 7/7 (100 %)");
    }

    /** A text of one repeated byte: all tokens are routed to the same two of eight experts. */
    @Test
    void trainMeasuresOnText(@TempDir Path folder) throws IOException {
        Path shards = prepared(folder, "a".repeat(5000));
        List<String> words = List.of("bench", "train", TINY, "--precision=fp32", "--steps=5", "--warmup=2", "--json");

        JsonNode load = json(Run.of(with(words, "--data=" + shards))).path("expert_load");
        assertThat(load.path("busiest").asDouble())
                .isGreaterThan(json(Run.of(with(words)))
                        .path("expert_load")
                        .path("busiest")
                        .asDouble());
        assertFails(Run.of(with(words, "--data=" + folder.resolve("none"))), "none");
        assertFails(
                Run.of(with(words, "--data=" + shards, "--set=model.vocabulary=64")),
                "model.vocabulary: 64 is too small for the data's tokenizer");
    }

    private static String[] with(List<String> words, String... more) {
        return Stream.concat(words.stream(), Arrays.stream(more)).toArray(String[]::new);
    }

    private static Path prepared(Path folder, String text) throws IOException {
        Path input = Files.writeString(folder.resolve("text.txt"), text);
        Path shards = folder.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, input.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();
        return shards;
    }

    /** Runs real processes: one, then two with expert parallelism, then one with half of the batch. */
    @Test
    void parallelComparesProcessesWithOne() {
        JsonNode json = json(Run.of(
                "bench",
                "parallel",
                TINY,
                "--precision=fp32",
                "--set=parallel.expert=2",
                "--steps=5",
                "--warmup=2",
                "--rounds=1",
                "--json"));

        assertThat(json.path("processes").asInt()).isEqualTo(2);
        JsonNode parallel = json.path("parallel");
        assertThat(parallel.path("memory").size()).isEqualTo(2);
        assertThat(parallel.path("exchange_share").asDouble())
                .isBetween(0.0, 1.0)
                .isPositive();
        assertThat(parallel.path("memory").get(1).path("measured_bytes").asLong())
                .isPositive()
                .isLessThan(json.path("one")
                        .path("memory")
                        .get(0)
                        .path("measured_bytes")
                        .asLong());
        assertThat(json.path("one").path("exchange_share").asDouble()).isZero();
        double one = json.path("one").path("tokens_per_second").asDouble();
        double share = json.path("share").path("tokens_per_second").asDouble();
        double both = parallel.path("tokens_per_second").asDouble();
        assertThat(json.path("over_one").asDouble()).isEqualTo(both / one);
        assertThat(json.path("weak_scaling").asDouble()).isEqualTo(both / (2 * share));
    }

    /** Like a scheduler that ends one of the processes. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aProcessThatIsAskedToStopEndsTheComparison(@TempDir Path folder) throws IOException, InterruptedException {
        RealProcess bench = RealProcess.start(
                folder.resolve("err"), "bench", "parallel", TINY, "--precision=fp32", "--steps=1000000");
        try {
            // A new process is a helper of the JDK's at first.
            while (bench.alive() && ranks(bench).isEmpty()) {
                Thread.sleep(20);
            }
            ranks(bench).forEach(ProcessHandle::destroy);
            assertThat(bench.code()).as(bench.said()).isEqualTo(1);
        } finally {
            bench.process().destroyForcibly();
        }
        assertThat(bench.said()).contains("bench parallel was interrupted").doesNotContain("internal error");
    }

    private static List<ProcessHandle> ranks(RealProcess bench) {
        return bench.process()
                .children()
                .filter(child -> child.info().command().orElse("").endsWith("/java"))
                .toList();
    }

    @Test
    void decodeMeasuresForwardPasses() {
        JsonNode json = json(Run.of("bench", "decode", TINY, "--precision=fp32", "--rounds=1", "--json"));

        assertThat(json.propertyNames())
                .containsExactly(
                        "preset",
                        "dtype",
                        "threads",
                        "prefill_tokens_per_second",
                        "tokens_per_second",
                        "weight_bytes",
                        "bandwidth_bytes_per_second",
                        "fraction_of_floor",
                        "batch",
                        "batch_tokens_per_second",
                        "evaluation_tokens_per_second",
                        "training_forward_tokens_per_second",
                        "evaluation_over_training");
        assertThat(json.path("fraction_of_floor").asDouble())
                .isCloseTo(
                        json.path("tokens_per_second").asDouble()
                                * json.path("weight_bytes").asDouble()
                                / json.path("bandwidth_bytes_per_second").asDouble(),
                        withinPercentage(0.001));
        assertThat(json.path("batch_tokens_per_second").asDouble()).isPositive();
        assertThat(json.path("evaluation_over_training").asDouble()).isPositive();

        Run table = Run.of("bench", "decode", TINY, "--rounds=1");
        assertThat(table.out())
                .startsWith("cpu-tiny-moe in " + fastest())
                .contains("prefill ", "one text ", "16 texts ", "evaluation ");
        assertThat(Run.of("bench", "decode", TINY, "--rounds=0").code()).isEqualTo(2);
    }

    @Test
    void serveMeasuresAServerAndItsClients() {
        JsonNode json = json(
                Run.of("bench", "serve", TINY, "--clients=1,3", "--prompt=5", "--tokens=8", "--texts=2", "--json"));

        assertThat(json.path("prompt_tokens").asInt()).isEqualTo(5);
        assertThat(json.path("loads")).hasSize(2);
        for (JsonNode load : json.path("loads")) {
            int clients = load.path("clients").asInt();
            assertThat(load.path("texts").asInt()).isEqualTo(2 * clients);
            assertThat(load.path("tokens").asInt()).isBetween(1, 2 * clients * 8);
            assertThat(load.path("tokens_per_second").asDouble()).isPositive();
            assertThat(load.path("first_piece_seconds").asDouble())
                    .isPositive()
                    .isLessThanOrEqualTo(
                            load.path("slowest_first_piece_seconds").asDouble());
        }
        Run table = Run.of("bench", "serve", TINY, "--clients=1", "--tokens=2", "--texts=1");
        assertThat(table.out()).startsWith("cpu-tiny-moe in " + fastest()).contains("clients", "first piece, ms");
        assertThat(Run.of("bench", "serve", TINY, "--clients=0").code()).isEqualTo(2);
        Run large = Run.of("bench", "serve", TINY, "--prompt=100");
        assertThat(large.code()).isEqualTo(1);
        assertThat(large.err()).contains("--prompt and --tokens are 164 together");
    }

    @Test
    void gemmMeasuresProducts() {
        JsonNode json = json(Run.of("bench", "gemm", "--precision=fp32", "--json"));

        JsonNode square = json.path("products").get(0);
        assertThat(square.path("name").asString()).isEqualTo("square");
        assertThat(square.path("dtype").asString()).isEqualTo("fp32");
        assertThat(square.path("rows").asInt()).isEqualTo(1024);
        assertThat(json.path("products"))
                .allMatch(product -> product.path("gflops").asDouble() > 0.1);
    }

    @Test
    void precisionComparesTwins(@TempDir Path temp) throws IOException {
        Path shards = prepared(temp, "The quick brown fox jumps over the lazy dog. ".repeat(50));
        JsonNode json =
                json(Run.of("bench", "precision", "--precision=fp16", "--steps=1", "--data=" + shards, "--json"));

        assertThat(json.path("precision").asString()).isEqualTo("fp16");
        assertThat(json.path("skipped").isNumber()).isTrue();
        assertThat(json.path("steps").asInt()).isEqualTo(1);
        assertThat(json.path("averaged_steps").asInt()).isEqualTo(1);
        assertThat(json.path("tokens").asInt()).isEqualTo(8 * 64);
        assertThat(json.path("difference").asDouble())
                .isEqualTo(json.path("loss").asDouble() - json.path("fp32_loss").asDouble());
        assertThat(json.path("bound").asDouble()).isEqualTo(0.02);
        assertThat(json.path("holds").asBoolean()).isTrue();
    }

    /**
     * Checks the output only: with this few steps the JVM's own allocations exceed the limit. The bench module's
     * tests check the limit.
     */
    @Test
    void memoryWatchesManySteps() {
        Run text = Run.of("bench", "memory", "--steps=20", "--model=cpu-tiny-dense");
        assertThat(text.out())
                .startsWith("cpu-tiny-dense in " + fastest())
                .contains("live tensors", "bytes a step, bound 50: the law ");
        assertThat(text.code()).as(text.err()).isEqualTo(text.out().contains("the law holds") ? 0 : 1);

        Run run = Run.of("bench", "memory", "--steps=20", "--model=cpu-tiny-dense", "--json");
        JsonNode json = JsonMapper.shared().readTree(run.out());
        assertThat(run.code()).as(run.err()).isEqualTo(json.path("holds").asBoolean() ? 0 : 1);
        assertThat(json.path("samples").size()).isEqualTo(19);
        assertThat(json.path("samples").get(0).path("step").asInt()).isEqualTo(2);
        assertThat(json.path("live_tensors_equal").asBoolean()).isTrue();
        assertThat(json.path("samples").get(0).path("heap_bytes").asLong()).isPositive();
        assertThat(json.path("heap_growth_bytes_per_step").isNumber()).isTrue();
        assertThat(json.path("heap_growth_bound").asLong()).isEqualTo(50);
    }

    @Test
    void aBrokenLawIsAFailure() {
        BenchPrecisionCommand.Report worse =
                new BenchPrecisionCommand.Report("m", "bf16", 2, "d", 500, 50, 1, 4, 4.03, 0.03, 0.02, false, 1, 1, 0);
        assertThatThrownBy(() -> BenchPrecisionCommand.requireLaw(worse))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("bf16 is +0.0300 nats from fp32");
        BenchMemoryCommand.Report grown =
                new BenchMemoryCommand.Report("m", "bf16", 2, 20, List.of(), 100.0, 50, true, false, 1);
        assertThatThrownBy(() -> BenchMemoryCommand.requireLaw(grown))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("grows by 100.0 bytes a step");
        BenchMemoryCommand.Report leaking =
                new BenchMemoryCommand.Report("m", "bf16", 2, 20, List.of(), 0.0, 50, false, false, 1);
        assertThatThrownBy(() -> BenchMemoryCommand.requireLaw(leaking))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("number of live tensors");
    }

    @Test
    void wrongUsageIsReported() {
        assertThat(Run.of("bench").code()).isEqualTo(2);
        assertThat(Run.of("bench", "train").code()).isEqualTo(2);
        Run few = Run.of("bench", "train", TINY, "--steps=4");
        assertThat(few.code()).isEqualTo(2);
        assertThat(few.err()).startsWith("moe4j: --steps must be at least 5");
        assertThat(Run.of("bench", "parallel", TINY, "--processes=1").code()).isEqualTo(2);
        Run warmUpOnly = Run.of("bench", "checkpoint", "--model=cpu-tiny-moe", "--every=2", "--checkpoints=2");
        assertThat(warmUpOnly.code()).as(warmUpOnly.err()).isEqualTo(2);
        assertThat(warmUpOnly.err()).startsWith("moe4j: --every 2 and --checkpoints 2 make 5 steps");
    }

    @Test
    void unknownNamesAreReportedInOneLine() {
        assertWrongUsage(Run.of("bench", "train", "--preset=cpu-moe31"), "cpu-moe32");
        assertWrongUsage(Run.of("bench", "train", TINY, "--precision=int4"), "precision 'int4' is unknown");
        assertFails(Run.of("bench", "train", TINY, "--device=cuda:99"), "device 'cuda:99' does not exist");
        assertFails(Run.of("bench", "gemm", "--precision=bf16,fp8"), "precision 'fp8' is unknown");
        assertWrongUsage(Run.of("bench", "memory", "--model=cpu-tiny-mo"), "cpu-tiny-moe");
        assertFails(Run.of("bench", "memory", "--steps=19"), "use at least 20");
        assertFails(Run.of("bench", "precision", "--data=/none"), "/none");
        assertFails(
                Run.of("bench", "parallel", TINY, "--processes=3"), "8 sequences cannot be divided among 3 processes");
    }

    /** The precision that {@code auto} resolves to. */
    private static String fastest() {
        return AutoPrecision.of(Device.CPU).precision().name();
    }

    private static void assertWrongUsage(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: ").contains(message, "\nTry: moe4j bench ");
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("moe4j: ").contains(message).hasLineCount(1);
    }
}
