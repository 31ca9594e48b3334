package dev.moe4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.moe4j.cli.Main;
import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
import dev.moe4j.console.option.LoadedModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class GenerateCommandTest {
    @TempDir
    private static Path run;

    @BeforeAll
    static void writeCheckpoint() throws IOException {
        TinyCheckpoint.write(run, 1, 4);
    }

    private static String[] args(String... more) {
        List<String> args = new ArrayList<>(List.of("generate", "--checkpoint", run.toString()));
        args.addAll(List.of(more));
        return args.toArray(String[]::new);
    }

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    @Test
    void printsTheGeneratedText() {
        String[] args =
                args("--prompt=Once", "--tokens=30", "--seed=7", "--temperature=0.8", "--top-k=50", "--top-p=0.9");
        Run text = Run.of(args);
        List<String> withJson = new ArrayList<>(List.of(args));
        withJson.add("--json");
        JsonNode json = json(Run.of(withJson.toArray(String[]::new)));

        assertThat(text.code()).as(text.err()).isZero();
        assertThat(text.out()).isEqualTo(json.path("text").asString().replace("\r\n", "\n") + "\n");
        assertThat(json.path("prompt").asString()).isEqualTo("Once");
        assertThat(json.path("prompt_tokens").asInt()).isEqualTo(4);
        assertThat(json.path("seed").asInt()).isEqualTo(7);
        assertThat(json.path("finish").asString()).isIn("length", "end_of_text");
        assertThat(json.path("tokens").asInt()).isLessThanOrEqualTo(30);
        assertThat(json.path("tokens_per_second").isNumber()).isTrue();
    }

    @Test
    void logsWhichCheckpointOfARunIsUsed() {
        ListAppender<ILoggingEvent> logs = new ListAppender<>();
        logs.start();
        Logger logger = (Logger) LoggerFactory.getLogger(LoadedModel.class);
        logger.addAppender(logs);
        logger.setLevel(Level.INFO); // tests log warnings only
        try {
            json(Run.of(args("--prompt=x", "--tokens=1", "--json")));
            Path checkpoint = run.resolve("step-00000001");
            json(Run.of("generate", "--checkpoint=" + checkpoint, "--prompt=x", "--tokens=1", "--json"));
            assertThat(logs.list)
                    .extracting(ILoggingEvent::getFormattedMessage)
                    .containsExactly(run + ": using the checkpoint " + checkpoint);
        } finally {
            logger.setLevel(null);
            logger.detachAppender(logs);
        }
    }

    @Test
    void withoutASeedTextsDiffer() {
        JsonNode a = json(Run.of(args("--prompt=x", "--tokens=20", "--json")));
        JsonNode b = json(Run.of(args("--prompt=x", "--tokens=20", "--json")));
        assertThat(a.path("seed")).isNotEqualTo(b.path("seed"));
        assertThat(json(Run.of(args(
                                "--prompt=x",
                                "--tokens=20",
                                "--json",
                                "--seed",
                                a.path("seed").asString())))
                        .path("text"))
                .isEqualTo(a.path("text"));
    }

    @Test
    void readsThePromptFromStdin() {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("größer".getBytes(StandardCharsets.UTF_8)));
        try {
            JsonNode json = json(Run.of(args("--tokens=3", "--json")));
            assertThat(json.path("prompt").asString()).isEqualTo("größer");
            assertThat(json.path("prompt_tokens").asInt()).isEqualTo(8);
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void badInputIsReportedInOneLine() {
        assertFails(Run.of("generate", "--checkpoint", run.resolve("none").toString(), "--prompt=x"), "none");
        assertWrongUsage(Run.of(args("--prompt=x", "--temperature=-1")), "a temperature of -1.0");
        assertWrongUsage(Run.of(args("--prompt=x", "--top-p=2")), "top-p 2.0");
        assertWrongUsage(Run.of(args("--prompt=x", "--top-k=-1")), "top-k -1");
        assertWrongUsage(Run.of(args("--prompt=x", "--precision=int4")), "precision 'int4' is unknown");
        assertThat(Run.of(args("--prompt=x", "--tokens=0")).code()).isEqualTo(2);
        assertThat(Run.of(args("--prompt=x", "--tokens=many")).code()).isEqualTo(2);
    }

    /** A writer that fails like a full disk. */
    @Test
    void aResultThatCannotBeWrittenIsAFailure() {
        Writer full = new Writer() {
            @Override
            public void write(char[] text, int from, int length) throws IOException {
                throw new IOException("No space left on device");
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        StringWriter err = new StringWriter();
        int code = Main.run(new PrintWriter(full), new PrintWriter(err), args("--prompt=x", "--tokens=2"));

        assertThat(code).isEqualTo(1);
        assertThat(err.toString().strip()).isEqualTo("moe4j: cannot write the result to stdout: is its disk full?");
    }

    private static void assertWrongUsage(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: ").contains(message).endsWith("Try: moe4j generate --help\n");
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("moe4j: ").contains(message).hasLineCount(1);
    }
}
