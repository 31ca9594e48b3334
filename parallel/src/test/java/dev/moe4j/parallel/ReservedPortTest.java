package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.junit.jupiter.api.Test;

class ReservedPortTest {

    @Test
    void nobodyElseGetsItAndItsOwnerCanListen() throws IOException {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ReservedPort port = ReservedPort.take();
                Socket other = new Socket();
                ServerSocket owner = new ServerSocket()) {
            InetSocketAddress address = new InetSocketAddress(loopback, port.number());
            other.setReuseAddress(false);
            assertThatThrownBy(() -> other.bind(address)).isInstanceOf(BindException.class);
            assertThatThrownBy(() -> new Socket(loopback, port.number()).close())
                    .isInstanceOf(ConnectException.class);

            owner.setReuseAddress(true);
            owner.bind(address);
            try (Socket client = new Socket(loopback, port.number())) {
                assertThat(client.isConnected()).isTrue();
            }
        }
    }
}
