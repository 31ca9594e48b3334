package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.serve.RunningServer.Setup;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The server's HTTP handling: methods, Host headers, and errors before a request is read. */
@Timeout(300)
class HttpTest {
    private static RunningServer server;
    private static RunningServer guarded;

    @BeforeAll
    static void start() {
        server = new RunningServer(Setup.PLAIN.name("meta/llama"));
        guarded = new RunningServer(Setup.PLAIN.name("a +b%/ü").key("sesame"));
    }

    @AfterAll
    static void stop() {
        server.close();
        guarded.close();
    }

    private static HttpResponse<String> get(RunningServer server, String path, String... headers) throws Exception {
        HttpRequest.Builder request = server.to(path);
        if (headers.length > 0) {
            request.headers(headers);
        }
        return server.send(request.build());
    }

    @Test
    void aModelsNameMayHaveSlashes() throws Exception {
        for (String path : List.of("/v1/models/meta/llama", "/v1/models/meta%2Fllama", "/v1/models/meta%2fllama")) {
            HttpResponse<String> response = get(server, path);
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            assertThat(RunningServer.JSON.readTree(response.body()).path("id").asString())
                    .isEqualTo("meta/llama");
        }
        assertThat(get(server, "/v1/models/meta").statusCode()).isEqualTo(404);
        assertThat(get(server, "/v1/models/meta/llama/2").body()).contains("model 'meta/llama/2' is not served here");
        String odd = "/v1/models/a%20+b%25/%C3%BC";
        assertThat(get(guarded, odd).statusCode()).as("protected by the key").isEqualTo(401);
        assertThat(get(guarded, odd, "Authorization", "Bearer sesame").statusCode())
                .isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"/", "/dashboard.js", "/health", "/status", "/metrics", "/v1/models", "/v1/models/meta/llama"})
    void headIsGetWithoutTheBody(String path) throws Exception {
        String answer = server.raw("HEAD " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 200").endsWith("\r\n\r\n");
        assertThat(answer.toLowerCase(Locale.ROOT)).containsPattern("content-length: [1-9]");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GET | /v1/completions | POST",
                "HEAD | /v1/completions | POST",
                "POST | /v1/models | GET, HEAD",
                "DELETE | /v1/models/meta/llama | GET, HEAD",
                "PUT | /status | GET, HEAD",
                "POST | / | GET, HEAD",
            })
    void aWrongMethodNamesTheRightOnes(String method, String path, String allowed) throws Exception {
        HttpResponse<String> response = server.send(server.to(path)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .build());
        assertThat(response.statusCode()).isEqualTo(405);
        assertThat(response.headers().firstValue("Allow")).hasValue(allowed);
        if (!method.equals("HEAD")) {
            assertThat(RunningServer.error(response).path("message").asString())
                    .isEqualTo(method + " is not allowed for " + path + "; use " + allowed);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET /health", "GET /v1/nothing", "POST /v1/completions", "DELETE /health"})
    void aConnectionIsClosedWhereThatIsAsked(String request) throws Exception {
        String body = request.startsWith("POST") ? "{\"prompt\": \"a\", \"max_tokens\": 1}" : "";
        for (String close : List.of("close", "Close", "keep-alive, close")) {
            // Reading ends only when the server closes the connection.
            String answer = server.raw(request + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + "Connection: " + close + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
            assertThat(answer).startsWith("HTTP/1.1 ").containsIgnoringCase("\r\nConnection: close\r\n");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Content-Length: 200000000 | 413 | the body has more than 16777216 bytes",
                "Content-Length: 2 %n Content-Encoding: br | 400 | leave Content-Encoding out",
                "Content-Length: 2 %n Content-Encoding: gzip | 400 | leave Content-Encoding out",
            })
    void whatIsRefusedUnreadHasOpenAisForm(String headers, int status, String message) throws Exception {
        String answer = server.raw("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Type: application/json\r\nConnection: close\r\n" + headers.replace(" %n ", "\r\n")
                + "\r\n\r\n{}");
        assertThat(answer).startsWith("HTTP/1.1 " + status);
        String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
        assertThat(RunningServer.JSON
                        .readTree(body)
                        .path("error")
                        .path("message")
                        .asString())
                .contains(message);
        assertThat(answer).containsIgnoringCase("content-type: application/json");
    }

    @ParameterizedTest
    @CsvSource({
        "localhost, 200",
        "LOCALHOST:80, 200",
        "127.0.0.1:9, 200",
        "[::1]:8080, 200",
        "a.localhost, 200",
        "evil.example, 403",
        "evil.example:80, 403",
        "127.0.0.1.evil.example, 403",
        "localhost.evil.example, 403"
    })
    void aLoopbackServerWithoutAKeyAnswersToItsOwnNames(String host, int status) throws Exception {
        for (String path : List.of("/", "/health", "/status", "/v1/models", "/nothing")) {
            String answer = server.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
            assertThat(answer).startsWith("HTTP/1.1 " + (status == 200 && path.equals("/nothing") ? 404 : status));
        }
        String guardedAnswer = guarded.raw("GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
        assertThat(guardedAnswer).as("protected by a key").startsWith("HTTP/1.1 200");
    }
}
