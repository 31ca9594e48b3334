package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.serve.RunningServer.Setup;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests the server with a real nginx as its proxy, configured as in docs/serving.md. */
@Timeout(300)
class ProxyTest {
    private static final Path NGINX = Path.of("/usr/sbin/nginx");

    /** Returns the nginx configuration from the documentation. */
    private static String documented() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "serving.md"));
        String fence = "```nginx\n";
        int start = page.indexOf(fence) + fence.length();
        assertThat(start).as("docs/serving.md has nginx's lines").isGreaterThan(fence.length());
        return page.substring(start, page.indexOf("```", start));
    }

    @Test
    void nginxWithTheDocumentedLines(@TempDir Path folder) throws Exception {
        assumeTrue(Files.isExecutable(NGINX), "no nginx on this machine: the lines for a proxy were not tried");
        try (RunningServer server = new RunningServer(Setup.PLAIN);
                Socket plainHolder = reservePort();
                Socket documentedHolder = reservePort()) {
            int plain = plainHolder.getLocalPort();
            int documented = documentedHolder.getLocalPort();
            String upstream = "http://127.0.0.1:" + server.port();
            Files.createDirectory(folder.resolve("logs"));
            Files.writeString(folder.resolve("nginx.conf"), """
                    worker_processes 1; daemon off; pid nginx.pid; error_log logs/error.log; user root;
                    events {}
                    http { access_log off; client_body_temp_path c; proxy_temp_path p;
                      fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
                      server { listen 127.0.0.1:%d; location / { proxy_pass %s; } }
                      server { listen 127.0.0.1:%d;
                        %s } }
                    """.formatted(
                            plain, upstream, documented, documented().replace("http://127.0.0.1:8080", upstream)));
            Process nginx = new ProcessBuilder(NGINX.toString(), "-p", folder.toString(), "-c", "nginx.conf")
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("out").toFile())
                    .start();
            try (HttpClient client = HttpClient.newHttpClient()) {
                awaitPort(documented, nginx, folder);
                HttpResponse<String> answer = complete(client, documented, "{\"prompt\": \"a\", \"max_tokens\": 3}");
                assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                HttpResponse<String> stream =
                        complete(client, documented, "{\"prompt\": \"a\", \"max_tokens\": 3, \"stream\": true}");
                assertThat(stream.body()).endsWith("data: [DONE]\n\n");

                assertThat(complete(client, plain, "{\"prompt\": \"a\"}").statusCode())
                        .as("nginx's default is HTTP/1.0, which this server does not speak")
                        .isEqualTo(502);
            } finally {
                nginx.destroy();
                nginx.waitFor();
            }
        }
    }

    private static HttpResponse<String> complete(HttpClient client, int port, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/completions"))
                .timeout(Duration.ofSeconds(100))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.send(request, BodyHandlers.ofString());
    }

    /**
     * A socket at a port that the system chose. It never listens: no other process gets the port, but nginx, which sets
     * SO_REUSEADDR, can still listen there.
     */
    private static Socket reservePort() throws IOException {
        Socket holder = new Socket();
        // With the option the system could choose a port that another socket with the option has.
        holder.setReuseAddress(false);
        holder.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        holder.setReuseAddress(true);
        return holder;
    }

    private static void awaitPort(int port, Process nginx, Path folder) throws Exception {
        while (true) {
            try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return;
            } catch (IOException _) {
                assertThat(nginx.isAlive())
                        .as(() -> "nginx runs; it said " + read(folder.resolve("out")))
                        .isTrue();
                Thread.sleep(50);
            }
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }
}
