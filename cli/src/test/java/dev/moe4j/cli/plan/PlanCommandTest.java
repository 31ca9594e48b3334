package dev.moe4j.cli.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.cli.RealProcess;
import dev.moe4j.cli.Run;
import dev.moe4j.console.output.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PlanCommandTest {
    private static JsonNode plan(String... args) {
        List<String> all = new ArrayList<>(List.of("plan", "--json"));
        all.addAll(List.of(args));
        Run run = Run.of(all.toArray(String[]::new));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    private static double at(JsonNode json, String pointer) {
        assertThat(json.at(pointer).isNumber()).as(pointer).isTrue();
        return json.at(pointer).asDouble();
    }

    /** The published training costs for 300 billion tokens, to four digits. */
    @ParameterizedTest
    @CsvSource({
        "dense-125m, 0.36356",
        "dense-355m, 1.05853",
        "dense-1.3b, 3.56661",
        "dense-2.7b, 7.07550",
        "dense-6.7b, 17.11901",
        "dense-13b, 32.67305",
        "dense-175b, 430.173",
        "moe-15b, 0.43151",
        "moe-52b, 1.30012",
        "moe-207b, 4.53297",
        "moe-1.1t, 22.273"
    })
    void givesThePublishedCosts(String model, double published) {
        JsonNode plan = plan("--model", model, "--tokens", "300e9");
        assertThat(at(plan, "/published_zettaflops")).isCloseTo(published, within(0.5e-4 * published));
        assertThat(at(plan, "/exact_with_recomputation_zettaflops"))
                .isGreaterThan(at(plan, "/exact_zettaflops"))
                .isCloseTo(published, within(0.03 * published));
        assertThat(at(plan, "/published_without_recomputation_zettaflops")).isLessThan(published);
    }

    @Test
    void componentsAddUp() {
        JsonNode plan = plan("--model=moe-52b");
        long total = 0;
        long active = 0;
        for (JsonNode count : plan.path("parameters")) {
            total += count.path("total").asLong();
            active += count.path("active").asLong();
        }
        assertThat(plan.path("parameters_total").asLong()).isEqualTo(total).isBetween(51_000_000_000L, 53_000_000_000L);
        assertThat(plan.path("parameters_active").asLong()).isEqualTo(active).isLessThan(500_000_000);
        assertThat(plan.path("tokens_per_update").asLong()).isEqualTo(256 * 2048);
        assertThat(plan.path("updates").asLong()).isEqualTo((long) Math.ceil(300e9 / (256 * 2048)));
        for (String use : List.of("/memory_one_device", "/memory_per_device", "/exchange")) {
            JsonNode parts = plan.at(use);
            long sum = 0;
            for (JsonNode part : parts) {
                sum += part.asLong();
            }
            assertThat(sum).as(use).isEqualTo(2 * parts.path("total").asLong());
        }
        assertThat(plan.path("fits").asBoolean()).isFalse();
        assertThat(at(plan, "/exchange/total")).isZero();
        assertThat(at(plan, "/memory_per_device/exchange")).isZero();
    }

    @Test
    void aFileWithoutAPresetReportsItsDefault(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("model.yaml"), "model:\n  layers: 3\n");
        Run implied = Run.of("plan", "--model=" + file, "--set=precision=fp32");
        assertThat(implied.code()).as(implied.err()).isZero();
        assertThat(implied.err()).isEqualTo("moe4j: " + file + ": the key preset is missing; based on cpu-tiny-moe\n");
        Run named = Run.of("plan", "--model=" + file, "--set=precision=fp32", "--set=preset=cpu-dense");
        assertThat(named.code()).as(named.err()).isZero();
        assertThat(named.err()).isEmpty();
    }

    /** An error in a file is a failure, not wrong usage, even with correct options. */
    @Test
    void anUnknownKeyOfAFileListsTheKeysOfItsSection(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("model.yaml"), "parallel:\n  experts: 3\n");
        Run run = Run.of("plan", "--model=" + file, "--set=precision=fp32");
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.err())
                .contains("model.yaml:2: unknown key parallel.experts; did you mean parallel.expert?")
                .contains("; known here: parallel.expert, parallel.shard");
    }

    /**
     * 52 billion parameters on 64 devices: each device holds a share of the experts and sends tokens to the
     * others.
     */
    @Test
    void expertsAreSharded() {
        JsonNode plan = plan("--model=moe-52b", "--devices=128", "--set=parallel.expert=64", "--device-name=h100-sxm");
        assertThat(at(plan, "/layout/data_parallel")).isEqualTo(2);
        assertThat(at(plan, "/layout/sequences_per_device")).isEqualTo(2);
        double experts = at(plan, "/parameters/experts/total");
        double others = at(plan, "/parameters_total") - experts;
        assertThat(at(plan, "/memory_per_device/weights")).isCloseTo(4 * (others + experts / 64), within(1e6));
        // With two replicas, a ring all-reduce sends each gradient once.
        assertThat(at(plan, "/exchange/expert_gradients")).isCloseTo(4 * experts / 64, within(1.0));
        assertThat(at(plan, "/exchange/gradients")).isCloseTo(2 * 127 / 128.0 * 4 * others, within(1.0));
        // Sent and received rows of two sequences: top-2, width 1024, bf16.
        assertThat(at(plan, "/memory_per_device/exchange")).isEqualTo(2.0 * 2 * 2048 * 2 * 1024 * 2);
        assertThat(at(plan, "/memory_one_device/exchange")).isZero();
        // Dispatch and combine, forward and backward: top-2, 12 layers, width 1024, bf16.
        assertThat(at(plan, "/exchange/expert_tokens"))
                .isCloseTo(4 * 63 / 64.0 * 2 * 2048 * 2 * 12 * 1024 * 2, within(1.0));
    }

    @Test
    void timeAndEnergyFollowFromTheDevice() {
        JsonNode plan = plan(
                "--model=dense-125m",
                "--tokens=1e9",
                "--device-name=a100-80gb",
                "--data-parallel=4",
                "--utilization=0.5",
                "--grid=100");
        double deviceSeconds = at(plan, "/exact_zettaflops") * 1e21 / (312e12 * 0.5);
        assertThat(at(plan, "/effort/device_days")).isCloseTo(deviceSeconds / 86400, within(1e-9));
        assertThat(at(plan, "/effort/days")).isCloseTo(deviceSeconds / 86400 / 4, within(1e-9));
        assertThat(at(plan, "/effort/energy_kwh")).isCloseTo(deviceSeconds * 400 / 3.6e6, within(1e-9));
        assertThat(at(plan, "/effort/co2_kg")).isCloseTo(deviceSeconds * 400 / 3.6e7, within(1e-9));
        assertThat(at(plan, "/effort/seconds_per_update"))
                .isCloseTo(deviceSeconds / 4 * 256 * 2048 / 1e9, within(1e-9));
    }

    @Test
    void thisProcessorIsMeasured() {
        JsonNode plan = plan("--model=cpu-tiny-moe", "--tokens=1e6", "--device-name=cpu", "--set", "precision=fp32");
        assertThat(at(plan, "/device/flops_per_second")).isPositive();
        assertThat(at(plan, "/effort/days")).isPositive();
        assertThat(plan.at("/effort/energy_kwh").isNull()).isTrue();
        assertThat(plan.path("precision").asString()).isEqualTo("fp32");
        assertThat(plan.path("fits").asBoolean()).isTrue();
        // Each of two processes gets half of the memory.
        JsonNode two = plan("--model=cpu-tiny-moe", "--device-name=cpu", "--devices=2", "--set", "precision=fp32");
        assertThat(at(two, "/device/memory_bytes")).isEqualTo(Math.floor(at(plan, "/device/memory_bytes") / 2));
    }

    @Test
    void aFolderMayHaveAPresetsName(@TempDir Path folder) throws IOException, InterruptedException {
        Files.createDirectory(folder.resolve("cpu-tiny-moe"));
        Path log = folder.resolve("log");
        int code = RealProcess.builder("plan", "--model=cpu-tiny-moe")
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start()
                .waitFor();
        assertThat(code).as(Files.readString(log)).isZero();
        assertFails(2, folder + " is a folder; give a preset's name or a YAML file", "--model=" + folder);
    }

    @Test
    void printsTables() {
        Run run = Run.of("plan", "--model=moe-1.1t", "--devices=512", "--set=parallel.expert=512");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("moe-1.1t in bf16", "experts", "22.27 ZFLOPs", "each of 512", "TiB");
    }

    @Test
    void aLayoutThatDoesNotFitHasNoTimeAndNoEnergy() {
        JsonNode effort = plan("--model=moe-52b").path("effort");
        for (String key : List.of("seconds_per_update", "days", "device_days", "energy_kwh", "co2_kg")) {
            assertThat(effort.path(key).isNull()).as(key).isTrue();
        }
        Run run = Run.of("plan", "--model=moe-52b");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("it does not fit into", "time and energy: none, since the layout does not fit")
                .doesNotContain("CO2", "device-");
    }

    @Test
    void smallRunsArePrintedInSmallUnits() {
        Run run = Run.of("plan", "--model=dense-125m", "--tokens=1e6");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .containsPattern("published +\\d+\\.\\d+ TFLOPs +\\d\\.\\d+ PFLOPs")
                .containsPattern("of the peak: \\d\\.\\d+ seconds per update, \\d\\.\\d+ seconds in total, \\d\\.\\d+ "
                        + "device-seconds")
                .containsPattern("\\d\\.\\d+ Wh, \\d\\.\\d+ g of CO2 at")
                .doesNotContain("0.000 ", " 0 kWh", "0.0 days");
    }

    @Test
    void unitsSuitTheirAmounts() {
        assertThat(Units.flops(3.6356e20)).hasToString("363.6 EFLOPs");
        assertThat(Units.flops(22.273e21)).hasToString("22.27 ZFLOPs");
        assertThat(Units.duration(0.0123)).hasToString("12.30 ms");
        assertThat(Units.duration(90)).hasToString("90.00 seconds");
        assertThat(Units.duration(600)).hasToString("10.00 minutes");
        assertThat(Units.duration(36_000)).hasToString("10.00 hours");
        assertThat(Units.duration(864_000_000)).hasToString("10,000 days");
        assertThat(Units.energy(0.5)).hasToString("500.0 Wh");
        assertThat(Units.energy(12_345)).hasToString("12.35 MWh");
        assertThat(Units.mass(0.25)).hasToString("250.0 g");
        assertThat(Units.mass(2500)).hasToString("2.500 t");
        assertThat(Units.bytes(0)).hasToString("0 bytes");
        assertThat(Units.bytes(512)).hasToString("512.0 bytes");
        assertThat(Units.bytes(1536)).hasToString("1.500 KiB");
        assertThat(Units.bytes(80L << 30)).hasToString("80.00 GiB");
    }

    @Test
    void impossiblePlansAreReportedInOneLine() {
        assertFails(2, "no preset is called 'moe-53b'", "--model=moe-53b");
        assertFails(2, "no device is called 'tpu'", "--model=moe-52b", "--device-name=tpu");
        assertFails(2, "512 experts cannot be shared evenly by 3", "--model=moe-52b", "--set=parallel.expert=3");
        assertFails(2, "0 experts cannot be shared", "--model=dense-125m", "--set=parallel.expert=2");
        assertFails(2, "parallel.expert: 0 is too small", "--model=moe-52b", "--set=parallel.expert=0");
        assertFails(2, "utilization", "--model=moe-52b", "--utilization=40");
        assertFails(2, "tokens", "--model=moe-52b", "--tokens=-1");
        assertFails(2, "model.expert", "--model=moe-52b", "--set", "model.expert=3");
        assertFails(2, "--devices 7", "--model=moe-52b", "--devices=7", "--set=parallel.expert=2");
        assertFails(2, "--model");
    }

    /** The table matches the JSON, and the plan describes the recommended layout. */
    @Test
    void aClusterGetsItsFastestLayout() {
        String[] asked = {"--model=moe-1.1t", "--devices=512", "--device-name=h100-sxm", "--cluster"};
        JsonNode plan = plan(asked);
        double seconds = at(plan, "/cluster/seconds_per_update");
        assertThat(at(plan, "/effort/seconds_per_update")).isCloseTo(seconds, within(1e-9 * seconds));
        assertThat(at(plan, "/cluster/tokens_per_second")).isCloseTo(1024 * 2048 / seconds, within(1e-3));
        JsonNode time = plan.at("/cluster/time");
        double sum = 0;
        for (var part : time.properties()) {
            sum += (part.getKey().endsWith("_hidden") ? -1 : 1)
                    * part.getValue().asDouble();
        }
        assertThat(sum).isCloseTo(seconds, within(1e-9 * seconds));
        JsonNode best = plan.at("/cluster/layouts/0");
        for (String key : List.of("expert_parallel", "shard", "micro_batch", "recompute")) {
            assertThat(best.path(key).asString())
                    .as(key)
                    .isEqualTo(plan.path("layout").path(key).asString());
        }
        assertThat(at(plan, "/memory_per_device/total"))
                .isEqualTo(at(plan, "/cluster/layouts/0/memory"))
                .isLessThanOrEqualTo(at(plan, "/cluster/usable_memory"));
        assertThat(plan.path("fits").asBoolean()).isTrue();
        assertThat(at(plan, "/cluster/assumptions/matmul_efficiency")).isPositive();

        List<String> args = new ArrayList<>(List.of("plan"));
        args.addAll(List.of(asked));
        Run run = Run.of(args.toArray(String[]::new));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("fastest of", "token exchange", "alternatives", "does not fit", "not modelled")
                .contains("inter_bandwidth", "%.3f s per update".formatted(seconds));
    }

    @Test
    void keysThatAreSetAreNotSearched(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("cluster.yaml"), "inter_bandwidth: 5e9\n");
        JsonNode plan = plan(
                "--model=moe-52b",
                "--devices=64",
                "--cluster=" + file,
                "--set=parallel.expert=32",
                "--set=parallel.shard=gradients",
                "--micro-batch=1",
                "--set=recompute=full",
                "--set=cluster.exchange_overlap=0.5");
        assertThat(at(plan, "/cluster/considered")).isEqualTo(1);
        assertThat(at(plan, "/layout/expert_parallel")).isEqualTo(32);
        assertThat(plan.at("/layout/shard").asString()).isEqualTo("gradients");
        assertThat(at(plan, "/layout/micro_batch")).isEqualTo(1);
        assertThat(plan.at("/layout/recompute").asString()).isEqualTo("full");
        assertThat(at(plan, "/cluster/assumptions/inter_bandwidth")).isEqualTo(5e9);
        assertThat(at(plan, "/cluster/time/exchange_hidden")).isPositive();
    }

    /** Also covers a mapping as the value of --set. */
    @Test
    void keysSetByAMappingAreNotSearched() {
        JsonNode plan = plan(
                "--model=moe-52b",
                "--devices=64",
                "--cluster",
                "--set=parallel={expert: 32, shard: gradients}",
                "--micro-batch=1",
                "--set=recompute =full",
                "--set=cluster={exchange_overlap: 0.5}");
        assertThat(at(plan, "/cluster/considered")).isEqualTo(1);
        assertThat(at(plan, "/layout/expert_parallel")).isEqualTo(32);
        assertThat(plan.at("/layout/shard").asString()).isEqualTo("gradients");
        assertThat(plan.at("/layout/recompute").asString()).isEqualTo("full");
        assertThat(at(plan, "/cluster/assumptions/exchange_overlap")).isEqualTo(0.5);
    }

    @Test
    void processesOnThisProcessorAreACluster() {
        JsonNode plan =
                plan("--model=cpu-moe8", "--devices=2", "--device-name=cpu", "--cluster", "--set=precision=fp32");
        assertThat(at(plan, "/cluster/assumptions/devices_per_node")).isEqualTo(2);
        assertThat(at(plan, "/cluster/tokens_per_second")).isPositive();
    }

    /** Sharding without --cluster: each device holds 1/64 of the optimizer state and gathers the parameters. */
    @Test
    void aLayoutMayShardTheOptimizer() {
        JsonNode whole = plan("--model=dense-1.3b", "--devices=64");
        JsonNode shared =
                plan("--model=dense-1.3b", "--devices=64", "--set=parallel.shard=optimizer", "--micro-batch=2");
        assertThat(at(shared, "/memory_per_device/optimizer"))
                .isCloseTo(at(whole, "/memory_per_device/optimizer") / 64, within(1.0));
        assertThat(at(shared, "/exchange/gradients") / at(whole, "/exchange/gradients"))
                .isCloseTo((4 + 2) / 8.0, within(1e-9));
        assertThat(at(shared, "/layout/micro_batch")).isEqualTo(2);
        assertThat(whole.path("cluster").isNull()).isTrue();
    }

    @Test
    void impossibleClustersAreReportedInOneLine() {
        String model = "--model=moe-1.1t";
        assertFails(2, "no device is called 'tpu'", model, "--devices=64", "--cluster", "--device-name=tpu");
        assertFails(2, "1024 sequences cannot be shared evenly by 768", model, "--devices=768", "--cluster");
        assertFails(2, "100 devices do not fill nodes of 8", model, "--devices=100", "--cluster");
        assertFails(2, "none of", model, "--devices=64", "--cluster");
        assertFails(2, "512 experts cannot be shared", model, "--devices=1536", "--cluster", "--set=parallel.expert=3");
        assertFails(2, "parallel.shard", model, "--devices=64", "--cluster", "--set=parallel.shard=all");
        assertFails(2, "known in 16 bits only", model, "--devices=64", "--cluster", "--set=precision=fp32");
        assertFails(2, "cluster.imbalance", model, "--devices=64", "--cluster", "--set=cluster.imbalance=0");
        assertFails(2, "unknown key cluster.gpus", model, "--devices=64", "--cluster", "--set=cluster.gpus=4");
        assertFails(1, "no-such.yaml", model, "--devices=64", "--cluster=no-such.yaml");
        assertFails(2, "--cluster needs --devices", model, "--cluster");
        assertFails(2, "acts with --cluster only", model, "--set=cluster.imbalance=1");
        assertFails(2, "--utilization", model, "--devices=64", "--cluster", "--utilization=0.3");
        assertFails(2, "--micro-batch", model, "--devices=64", "--micro-batch=0");
    }

    private static void assertFails(int code, String message, String... args) {
        List<String> all = new ArrayList<>(List.of("plan"));
        all.addAll(List.of(args));
        Run run = Run.of(all.toArray(String[]::new));
        assertThat(run.code()).as(run.err()).isEqualTo(code);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("moe4j: ").contains(message);
    }
}
