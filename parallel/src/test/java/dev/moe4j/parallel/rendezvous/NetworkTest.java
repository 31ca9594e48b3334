package dev.moe4j.parallel.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.parallel.layout.ParallelException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class NetworkTest {

    private static RankEnvironment environment(String host, String networkInterface) {
        return RankEnvironment.of(Map.of(
                "RANK", "1",
                "WORLD_SIZE", "2",
                "MASTER_ADDR", host,
                "MASTER_PORT", "29500",
                // A name that does not resolve yet is retried.
                "MOE4J_TIMEOUT", "1",
                "GLOO_SOCKET_IFNAME", networkInterface));
    }

    @Test
    void theAddressThatLeadsToRank0() {
        assertThat(Network.addressOf(environment("127.0.0.1", "")).getHostAddress())
                .isEqualTo("127.0.0.1");
    }

    /** An interface may have several addresses. */
    @Test
    void anAddressInPlaceOfAnInterface() {
        assertThat(Network.addressOf(environment("nowhere.invalid", "127.0.0.1"))
                        .getHostAddress())
                .isEqualTo("127.0.0.1");
    }

    @Test
    void whatCannotBeFoundIsNamed() {
        assertThatThrownBy(() -> Network.addressOf(environment("127.0.0.1", "nosuch0")))
                .isInstanceOf(ParallelException.class)
                .hasMessageStartingWith("GLOO_SOCKET_IFNAME is 'nosuch0', but there is no such network interface");
        assertThatThrownBy(() -> Network.addressOf(environment("nowhere.invalid", "")))
                .isInstanceOf(ParallelException.class)
                .hasMessageStartingWith("rank 1 cannot find its address on the way to tcp://nowhere.invalid:29500")
                .hasMessageContaining("check MASTER_ADDR");
    }
}
