package dev.moe4j.parallel.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.parallel.Ranks;
import dev.moe4j.parallel.ReservedPort;
import dev.moe4j.parallel.health.RankEndpoint;
import dev.moe4j.parallel.health.RankIdentity;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.global.torch_gloo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RendezvousTest {

    @TempDir
    private Path folder;

    private static RankEndpoint endpoint(int rank, String code, String configuration, String address) {
        return new RankEndpoint(
                rank, new RankIdentity(code, configuration), "node" + rank, 100 + rank, address, 4000, "token" + rank);
    }

    @Test
    void cardsAsText() {
        RankEndpoint endpoint = endpoint(3, "v1", "abc", "fd00::7");
        assertThat(RankEndpoint.decode(endpoint.encode())).isEqualTo(endpoint);
        assertThat(endpoint.describe()).isEqualTo("rank 3 (process 103 on node3)");
    }

    @Test
    void differencesNameTheRank() {
        RankEndpoint zero = endpoint(0, "v1", "c1", "10.0.0.1");
        assertThat(Rendezvous.difference(List.of(zero, endpoint(1, "v1", "c1", "10.0.0.2"))))
                .isEmpty();
        assertThat(Rendezvous.difference(
                        List.of(zero, endpoint(1, "v1", "c1", "10.0.0.2"), endpoint(2, "v2", "c1", "10.0.0.3"))))
                .contains(
                        "rank 2 (process 102 on node2) runs different code than rank 0 (version v2, not v1): start all ranks "
                                + "from the same build");
        assertThat(Rendezvous.difference(List.of(zero, endpoint(1, "v1", "c2", "10.0.0.2"))))
                .contains(
                        "rank 1 (process 101 on node1) has a different configuration than rank 0 (digest c2, not c1): give "
                                + "all ranks the same files and options");
        assertThat(Rendezvous.difference(
                        List.of(endpoint(0, "v1", "c1", "127.0.1.1"), endpoint(1, "v1", "c1", "10.0.0.2"))))
                .hasValueSatisfying(message -> assertThat(message)
                        .startsWith("rank 0 (process 100 on node0) listens on 127.0.1.1, where ranks on other machines "
                                + "cannot reach it"));
    }

    /** A rendezvous file is deleted at the end of the run. */
    @Test
    void ranksMeetAtAFile() throws InterruptedException {
        Path store = folder.resolve("store");
        try (Ranks ranks = Ranks.at(folder, store.toUri().toString(), 2, 600).with("GLOO_SOCKET_IFNAME", "lo")) {
            ranks.start(0, "meet");
            ranks.start(1, "meet");
            assertThat(ranks.exitCode(0)).as(ranks.errors(0)).isZero();
            assertThat(ranks.exitCode(1)).as(ranks.errors(1)).isZero();
        }
        assertThat(Files.exists(store)).isFalse();
    }

    /** torchrun's agent keeps its store for the attempts after a failure. */
    @Test
    void ranksMeetInAStoreThatIsThereAlready() throws InterruptedException {
        Loader.load(torch_gloo.class);
        try (ReservedPort port = ReservedPort.take();
                TCPStoreOptions options = new TCPStoreOptions()) {
            options.port((short) port.number());
            options.isServer(true);
            options.waitWorkers(false);
            try (TCPStore _ = new TCPStore("127.0.0.1", options)) {
                for (String attempt : List.of("0", "1")) {
                    try (Ranks ranks =
                            Ranks.ofAgent(folder, port.number(), 2, 600).with("TORCHELASTIC_RESTART_COUNT", attempt)) {
                        ranks.start(0, "meet");
                        ranks.start(1, "meet");
                        assertThat(ranks.exitCode(0))
                                .as(ranks.output(0) + ranks.errors(0))
                                .isZero();
                        assertThat(ranks.exitCode(1))
                                .as(ranks.output(1) + ranks.errors(1))
                                .isZero();
                    }
                }
            }
        }
    }

    @Test
    void aMissingAgentIsNamed() throws InterruptedException {
        try (ReservedPort port = ReservedPort.take();
                Ranks ranks = Ranks.ofAgent(folder, port.number(), 2, 2)) {
            ranks.start(0, "meet");
            assertThat(ranks.exitCode(0)).isEqualTo(1);
            assertThat(ranks.output(0)).startsWith("failed: rank 0 cannot reach torchrun's agent at tcp://127.0.0.1:");
        }
    }

    @Test
    void twoOfARankAreRefused() throws InterruptedException {
        try (ReservedPort port = ReservedPort.take();
                Ranks ranks = Ranks.at(folder, port.meeting(), 2, 600)) {
            ranks.start(0, "meet");
            awaitListener(port);
            ranks.start(0, "meet");
            assertThat(ranks.exitCode(1)).isEqualTo(1);
            assertThat(ranks.output(1)).startsWith("failed: rank 0 cannot listen at " + port.meeting());
        }
    }

    /** Two Slurm jobs get the same port. The first job continues, and the ranks of the second job report the conflict. */
    @Test
    void aJobThatFindsItsPortTakenLeavesTheOtherAlone() throws IOException, InterruptedException {
        try (ReservedPort port = ReservedPort.take();
                Ranks first = Ranks.ofSlurm(Files.createDirectory(folder.resolve("a")), port.slurmJob(), 2, 600);
                Ranks second =
                        Ranks.ofSlurm(Files.createDirectory(folder.resolve("b")), port.slurmJob() + 10_000, 2, 6)) {
            first.start(0, "meet");
            awaitListener(port);
            second.start(1, "meet");
            second.start(0, "meet");
            assertThat(second.exitCode(0)).isEqualTo(1);
            assertThat(second.output(0))
                    .startsWith("failed: 1 of 2 ranks have met at tcp://localhost:" + port.number() + "/job-")
                    .contains("rank 0 is missing; see whether it was started, and its log");
            assertThat(second.exitCode(1)).isEqualTo(1);
            assertThat(second.output(1))
                    .startsWith("failed: rank 0 cannot listen at tcp://localhost:" + port.number() + "/job-")
                    .contains("choose another MASTER_PORT");
            first.start(1, "meet");
            assertThat(first.exitCode(0)).as(first.output(0) + first.errors(0)).isZero();
            assertThat(first.exitCode(1)).as(first.output(1) + first.errors(1)).isZero();
        }
    }

    private static void awaitListener(ReservedPort port) {
        assertThat(Network.listens(URI.create(port.meeting()), Duration.ofSeconds(Ranks.STUCK_SECONDS)))
                .isTrue();
    }

    @Test
    void missingRanksAreNamed() throws InterruptedException {
        try (ReservedPort port = ReservedPort.take();
                Ranks ranks = Ranks.at(folder, port.meeting(), 3, 4)) {
            ranks.startTogether("meet", 0, 2);
            for (int process = 0; process < 2; process++) {
                assertThat(ranks.exitCode(process)).isEqualTo(1);
                assertThat(ranks.output(process))
                        .startsWith("failed: 2 of 3 ranks have met at tcp://127.0.0.1:")
                        .contains("within 4 s: rank 1 is missing; see whether it was started, and its log");
            }
        }
    }

    @Test
    void aMissingRank0IsNamed() throws InterruptedException {
        try (ReservedPort port = ReservedPort.take();
                Ranks ranks = Ranks.at(folder, port.meeting(), 2, 2)) {
            ranks.start(1, "meet");
            assertThat(ranks.exitCode(0)).isEqualTo(1);
            assertThat(ranks.output(0))
                    .startsWith("failed: rank 1 cannot reach rank 0 at tcp://127.0.0.1:")
                    .contains("within 2 s: rank 0 is missing, or the port is closed; see rank 0's log");
        }
    }
}
