package dev.moe4j.parallel.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.Test;

class PeersTest {

    /** The exception's text depends on the system's language. */
    @Test
    void aRefusedConnectionIsRecognisedWhateverItsText() {
        assertThat(Peers.unreachable(new ConnectException("Verbindungsaufbau abgelehnt")))
                .isInstanceOf(PeerStatus.Dead.class);
        assertThat(Peers.unreachable(new SocketTimeoutException("refused"))).isInstanceOf(PeerStatus.Silent.class);
        assertThat(Peers.unreachable(new NoRouteToHostException("refused"))).isInstanceOf(PeerStatus.Silent.class);
    }

    @Test
    void thisSystemRefusesAPortThatNobodyListensOn() throws IOException {
        try (Socket owner = new Socket();
                Socket socket = new Socket()) {
            owner.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)); // bound, but does not listen
            IOException failure =
                    catchThrowableOfType(IOException.class, () -> socket.connect(owner.getLocalSocketAddress(), 5_000));
            assertThat(Peers.unreachable(failure)).isInstanceOf(PeerStatus.Dead.class);
        }
    }
}
