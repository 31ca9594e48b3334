package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

/** Alone, since others find ports too. */
@Isolated
class FreePortTest {

    @Test
    void noneIsFoundTwiceNorOneOfThoseThatConnectionsGet() {
        int[] ports = IntStream.range(0, 100).map(_ -> FreePort.find()).toArray();
        assertThat(ports).doesNotHaveDuplicates();
        assertThat(IntStream.of(ports)).allMatch(port -> port >= 10_000 && port < 32_768);
    }

    @Test
    void oneThatIsTakenIsLeftOut() throws IOException {
        int first = FreePort.find();
        int next = 10_000 + (first - 10_000 + 1) % 22_768;
        try (ServerSocket _ = new ServerSocket(next, 1, InetAddress.getLoopbackAddress())) {
            assertThat(FreePort.find()).isNotEqualTo(next);
        }
    }
}
