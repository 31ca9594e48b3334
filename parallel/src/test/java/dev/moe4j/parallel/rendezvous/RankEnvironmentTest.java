package dev.moe4j.parallel.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.parallel.layout.ParallelException;
import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RankEnvironmentTest {

    private static final Map<String, String> TORCHRUN = Map.of(
            "RANK", "3",
            "WORLD_SIZE", "4",
            "LOCAL_RANK", "1",
            "LOCAL_WORLD_SIZE", "2",
            "MASTER_ADDR", "node07",
            "MASTER_PORT", "29500");

    private static final Map<String, String> SLURM = Map.of(
            "SLURM_PROCID", "5",
            "SLURM_STEP_NUM_TASKS", "8",
            "SLURM_LOCALID", "1",
            "SLURM_STEP_TASKS_PER_NODE", "4(x2)",
            "SLURM_STEP_NODELIST", "node[03-04]",
            "SLURM_JOB_ID", "1234567");

    private static Map<String, String> with(Map<String, String> base, String... pairs) {
        Map<String, String> changed = new HashMap<>(base);
        for (int i = 0; i < pairs.length; i += 2) {
            changed.put(pairs[i], pairs[i + 1]);
        }
        return changed;
    }

    private static Map<String, String> without(Map<String, String> base, String name) {
        Map<String, String> changed = new HashMap<>(base);
        changed.remove(name);
        return changed;
    }

    @Test
    void nothingMeansOneProcess() {
        RankEnvironment environment = RankEnvironment.of(Map.of());
        assertThat(environment.world()).isEqualTo(1);
        assertThat(environment.rank()).isZero();
        assertThat(environment.isDistributed()).isFalse();
        assertThat(environment.timeout()).isEqualTo(Duration.ofMinutes(5));
    }

    @Test
    void eachProcessHasItsOwnGpu() {
        assertThat(RankEnvironment.of(TORCHRUN).ownDevice("cuda")).isEqualTo("cuda:1");
        assertThat(RankEnvironment.of(TORCHRUN).ownDevice("cuda:3")).isEqualTo("cuda:3");
        assertThat(RankEnvironment.of(TORCHRUN).ownDevice("cpu")).isEqualTo("cpu");
        assertThat(RankEnvironment.of(Map.of()).ownDevice("cuda")).isEqualTo("cuda");
    }

    @Test
    void torchrun() {
        RankEnvironment environment =
                RankEnvironment.of(with(TORCHRUN, "GLOO_SOCKET_IFNAME", "eth1", "MOE4J_TIMEOUT", "30"));
        assertThat(environment)
                .isEqualTo(new RankEnvironment(
                        3, 4, 1, 2, URI.create("tcp://node07:29500"), false, "eth1", Duration.ofSeconds(30)));
        assertThat(environment.isDistributed()).isTrue();
        assertThat(RankEnvironment.of(with(TORCHRUN, "MASTER_ADDR", "fd00::7")).meeting())
                .isEqualTo(URI.create("tcp://[fd00::7]:29500"));
        assertThat(RankEnvironment.of(Map.of("RANK", "0", "WORLD_SIZE", "1")).isDistributed())
                .isFalse();
    }

    /** torchrun's agent hosts the store at MASTER_PORT. Each attempt uses its own keys. */
    @Test
    void torchrunsAgentKeepsTheStore() {
        Map<String, String> variables =
                with(TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE", "True", "TORCHELASTIC_RESTART_COUNT", "2");
        assertThat(RankEnvironment.of(variables).meeting()).isEqualTo(URI.create("tcp://node07:29500/attempt_2"));
        assertThat(RankEnvironment.of(variables).agentStore()).isTrue();
        assertThat(RankEnvironment.of(with(variables, "TORCHELASTIC_USE_AGENT_STORE", "False"))
                        .agentStore())
                .isFalse();
        assertThat(RankEnvironment.of(with(variables, "MOE4J_MEETING", "file:///shared/run-7/store"))
                        .agentStore())
                .isFalse();
    }

    @Test
    void slurm() {
        RankEnvironment environment = RankEnvironment.of(SLURM);
        assertThat(environment)
                .isEqualTo(new RankEnvironment(
                        5, 8, 1, 4, URI.create("tcp://node03:24567/job-1234567.0"), false, "", Duration.ofMinutes(5)));
        assertThat(RankEnvironment.of(with(SLURM, "MASTER_ADDR", "10.0.0.3", "MASTER_PORT", "4000"))
                        .meeting())
                .isEqualTo(URI.create("tcp://10.0.0.3:4000/job-1234567.0"));
    }

    /** A batch script may run two steps in parallel on the same nodes. */
    @Test
    void stepsOfASlurmJobMeetApart() {
        assertThat(RankEnvironment.of(with(SLURM, "SLURM_STEP_ID", "1")).meeting())
                .isEqualTo(URI.create("tcp://node03:22486/job-1234567.1"));
        assertThat(RankEnvironment.of(with(SLURM, "SLURM_STEP_ID", "2000000000", "SLURM_JOB_ID", "2000000000"))
                        .meeting()
                        .getPort())
                .isBetween(20_000, 29_999);
    }

    /** The shell of an allocation is not a rank, although Slurm sets some of the variables in it. */
    @Test
    void aSlurmShellIsOneProcess() {
        assertThat(RankEnvironment.of(without(SLURM, "SLURM_STEP_NUM_TASKS")).isDistributed())
                .isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "node[03-04]|node03",
                "node[3,7-9],gpu1|node3",
                "gpu1,node[03-04]|gpu1",
                "tux7|tux7",
                "a[01-02].cluster.org|a01.cluster.org"
            })
    void firstNodeOfSlurmsLists(String list, String first) {
        assertThat(RankEnvironment.of(with(SLURM, "SLURM_STEP_NODELIST", list))
                        .meeting()
                        .getHost())
                .isEqualTo(first);
    }

    @Test
    void kubernetes() {
        Map<String, String> job = Map.of(
                "JOB_COMPLETION_INDEX", "2",
                "WORLD_SIZE", "4",
                "MASTER_ADDR", "moe4j-0.moe4j",
                "MASTER_PORT", "29500");
        assertThat(RankEnvironment.of(job))
                .isEqualTo(new RankEnvironment(
                        2, 4, 0, 1, URI.create("tcp://moe4j-0.moe4j:29500"), false, "", Duration.ofMinutes(5)));
        assertThat(RankEnvironment.of(Map.of("JOB_COMPLETION_INDEX", "2")).isDistributed())
                .as("an Indexed Job of another program")
                .isFalse();
    }

    @Test
    void aFileToMeetAt() {
        assertThat(RankEnvironment.of(with(TORCHRUN, "MOE4J_MEETING", "file:///shared/run-7/store"))
                        .meeting())
                .isEqualTo(URI.create("file:///shared/run-7/store"));
    }

    @Test
    void whatIsWrongSaysWhichVariable() {
        refused(without(TORCHRUN, "WORLD_SIZE"), "RANK is set, but WORLD_SIZE is not");
        refused(without(TORCHRUN, "RANK"), "WORLD_SIZE is set, but RANK is not");
        refused(without(TORCHRUN, "MASTER_ADDR"), "RANK is set, but MASTER_ADDR is not");
        refused(without(TORCHRUN, "MASTER_PORT"), "RANK is set, but MASTER_PORT is not");
        refused(with(TORCHRUN, "RANK", "x"), "RANK is 'x', which is not a number");
        refused(with(TORCHRUN, "RANK", "4"), "RANK is 4, but the number of processes is 4");
        refused(with(TORCHRUN, "MASTER_PORT", "70000"), "MASTER_PORT is 70000: give a port from 1 to 65535");
        refused(with(TORCHRUN, "MASTER_ADDR", "gpu_01"), "MASTER_ADDR leads to tcp://gpu_01:");
        refused(with(TORCHRUN, "MASTER_ADDR", "node.7"), "MASTER_ADDR leads to tcp://node.7:");
        refused(with(TORCHRUN, "MOE4J_TIMEOUT", "0"), "MOE4J_TIMEOUT is '0': give whole seconds");
        refused(with(TORCHRUN, "MOE4J_MEETING", "store"), "MOE4J_MEETING is 'store': give file:///path");
        refused(without(SLURM, "SLURM_STEP_NODELIST"), "SLURM_PROCID is set, but SLURM_STEP_NODELIST is not");
        refused(with(SLURM, "SLURM_STEP_NODELIST", "[1"), "SLURM_STEP_NODELIST is '[1', which does not name a node");
    }

    private static void refused(Map<String, String> variables, String message) {
        assertThatThrownBy(() -> RankEnvironment.of(variables))
                .isInstanceOf(ParallelException.class)
                .hasMessageStartingWith(message);
    }
}
