package dev.moe4j.parallel.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.parallel.layout.Members;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FailureDiagnosisTest {

    private static final CollectiveId DISPATCH =
            new CollectiveId(new Members("expert-0", List.of(0, 1), 0), "layer 3 dispatch", 57);
    private static final PeerStatus DEAD = new PeerStatus.Dead();
    private static final PeerStatus SILENT = new PeerStatus.Silent();
    private static final PeerStatus THERE = new PeerStatus.Alive(57, true, "layer 3 dispatch", 9.9);

    private static String diagnose(String broken, Map<Integer, PeerStatus> answers) {
        return FailureDiagnosis.of(DISPATCH, answers, Duration.ofSeconds(10), broken);
    }

    @Test
    void theDeadComeFirst() {
        assertThat(diagnose("reset", Map.of(1, THERE, 2, DEAD, 3, SILENT))).isEqualTo("rank 2 has died: see its log");
        assertThat(diagnose("", Map.of(3, DEAD, 1, DEAD, 2, THERE))).isEqualTo("ranks 1, 3 have died: see their logs");
    }

    @Test
    void thenTheSilent() {
        assertThat(diagnose("", Map.of(1, SILENT, 2, THERE)))
                .isEqualTo("rank 1 does not answer: its process is stopped, or the network to its machine is cut");
        assertThat(diagnose("", Map.of(1, SILENT, 2, SILENT)))
                .isEqualTo("ranks 1, 2 do not answer: their processes are stopped, or the network to their machines is "
                        + "cut");
    }

    @Test
    void aBrokenConnectionBetweenTheLiving() {
        assertThat(diagnose("Connection reset", Map.of(1, THERE)))
                .isEqualTo(
                        "all ranks answer, but a connection broke (Connection reset): check the network between them");
    }

    /** Rank 1 of the group waits for rank 2, which is not a member. Rank 2 is at fault. */
    @Test
    void theSlowBeforeThoseThatWaitForThem() {
        PeerStatus waits = new PeerStatus.Alive(56, true, "layer 2 gradients", 9.9);
        PeerStatus works = new PeerStatus.Alive(0, false, "layer 1 combine", 12.04);
        assertThat(diagnose("", Map.of(1, waits, 2, works)))
                .isEqualTo(
                        "rank 2 is slow: at work for 12.0 s since layer 1 combine; see its log, or raise the timeout if "
                                + "such work is expected");
    }

    @Test
    void thoseThatAreElsewhere() {
        PeerStatus waits = new PeerStatus.Alive(56, true, "layer 2 combine", 9.9);
        PeerStatus brief = new PeerStatus.Alive(56, false, "layer 2 combine", 0.1);
        assertThat(diagnose("", Map.of(1, waits)))
                .isEqualTo("rank 1 has not reached it: it is waiting in layer 2 combine; all ranks must call the same "
                        + "collectives in the same order");
        assertThat(diagnose("", Map.of(1, brief)))
                .startsWith("rank 1 has not reached it: it is at work since layer 2 combine");
        assertThat(diagnose("", Map.of(1, THERE, 2, new PeerStatus.Alive(0, true, "x", 1))))
                .as("rank 2 is not in the group")
                .isEqualTo("all ranks take part, but data did not arrive: check the network, or raise the timeout");
    }
}
