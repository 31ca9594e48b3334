package dev.moe4j.parallel.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.moe4j.parallel.Ranks;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Two network namespaces act as two hosts. The link between them is cut during a collective. */
@EnabledOnOs(OS.LINUX)
class NetworkFailureTest {

    private static final int TIMEOUT_SECONDS = 6;
    private static final String FIRST_ADDRESS = "10.97.31.1";
    private static final String SECOND_ADDRESS = "10.97.31.2";

    @TempDir
    private Path folder;

    @Test
    void aCutLink() throws InterruptedException {
        try (Hosts hosts = Hosts.make();
                Ranks ranks = Ranks.at(folder, "tcp://" + FIRST_ADDRESS + ":29500", 3, TIMEOUT_SECONDS)) {
            ranks.start(0, "steps", hosts.first());
            ranks.start(1, "steps", hosts.first());
            ranks.start(2, "steps", hosts.second());
            for (int rank = 0; rank < 3; rank++) {
                ranks.awaitOutput(rank, "at work");
            }
            hosts.cut();
            assertBlamed(
                    ranks, 0, "rank 2 does not answer: its process is stopped, or the network to its machine is cut");
            assertBlamed(
                    ranks, 1, "rank 2 does not answer: its process is stopped, or the network to its machine is cut");
            assertBlamed(
                    ranks,
                    2,
                    "ranks 0, 1 do not answer: their processes are stopped, or the network to their machines is cut");
        }
    }

    private static void assertBlamed(Ranks ranks, int rank, String reason) throws InterruptedException {
        assertThat(ranks.exitCode(rank)).isEqualTo(1);
        assertThat(ranks.output(rank))
                .contains("failed: rank " + rank + " gave up 'layer 3 dispatch' of group world after ")
                .contains(reason);
    }

    /** Two namespaces with a link between them, named after this process. */
    private record Hosts(String one, String two) implements AutoCloseable {

        static Hosts make() {
            long pid = ProcessHandle.current().pid();
            Hosts hosts = new Hosts("moe4j-a" + pid, "moe4j-b" + pid);
            if (!hosts.ip("netns", "add", hosts.one)) {
                abort("network namespaces cannot be made here: root and iproute2 are needed");
            }
            String near = "ma" + pid;
            String far = "mb" + pid;
            boolean made = hosts.ip("netns", "add", hosts.two)
                    && hosts.ip(
                            "link", "add", near, "netns", hosts.one, "type", "veth", "peer", "name", far, "netns",
                            hosts.two)
                    && hosts.ip("-n", hosts.one, "addr", "add", FIRST_ADDRESS + "/24", "dev", near)
                    && hosts.ip("-n", hosts.two, "addr", "add", SECOND_ADDRESS + "/24", "dev", far)
                    && hosts.ip("-n", hosts.one, "link", "set", "lo", "up")
                    && hosts.ip("-n", hosts.two, "link", "set", "lo", "up")
                    && hosts.ip("-n", hosts.one, "link", "set", near, "up")
                    && hosts.ip("-n", hosts.two, "link", "set", far, "up");
            if (!made) {
                hosts.close();
                abort("a link between network namespaces cannot be made here");
            }
            return hosts;
        }

        String[] first() {
            return new String[] {"ip", "netns", "exec", one};
        }

        String[] second() {
            return new String[] {"ip", "netns", "exec", two};
        }

        void cut() {
            assertThat(ip(
                            "-n",
                            two,
                            "link",
                            "set",
                            "mb" + ProcessHandle.current().pid(),
                            "down"))
                    .isTrue();
        }

        private boolean ip(String... arguments) {
            List<String> command = new ArrayList<>(List.of("ip"));
            command.addAll(List.of(arguments));
            try {
                return new ProcessBuilder(command)
                                .redirectErrorStream(true)
                                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                                .start()
                                .onExit()
                                .join()
                                .exitValue()
                        == 0;
            } catch (IOException e) {
                return false; // the ip command is missing
            }
        }

        @Override
        public void close() {
            ip("netns", "delete", one);
            ip("netns", "delete", two);
        }
    }
}
