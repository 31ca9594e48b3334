package dev.moe4j.eval;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * The outcomes of runs that are done, in a file of a JSON object a line, so that an interrupted evaluation goes on where
 * it was. A run's key is over the model, the task's description and files, and every setting that its outcomes depend
 * on: after a change of any of them it is another run.
 */
public final class FinishedRuns {

    private static final JsonMapper JSON = JsonMapper.shared();

    private final @Nullable Path file;
    private final String model;
    private final Map<String, Line> lines = new HashMap<>();

    /**
     * A line of the file.
     *
     * @param key of the run, SHA-256 in hex
     * @param task its name, for people
     * @param run its number, for people
     * @param outcomes each question's, in order
     * @param dropped examples that did not fit
     * @param cut questions whose prompt was cut
     */
    record Line(String key, String task, int run, double[][] outcomes, long dropped, long cut) {}

    private FinishedRuns(@Nullable Path file, String model) {
        this.file = file;
        this.model = model;
    }

    /** Keeps nothing. */
    public static FinishedRuns none() {
        return new FinishedRuns(null, "");
    }

    /**
     * Opens a file, or begins it.
     *
     * @param model what tells the model and its precision from all others
     * @throws EvalException if a line is damaged; a last one without its end was being written when its writer was
     *     stopped, and is dropped
     */
    public static FinishedRuns open(Path file, String model) {
        FinishedRuns finished = new FinishedRuns(file, model);
        try {
            if (Files.exists(file)) {
                finished.read(file);
            } else {
                Files.createFile(file); // where that fails, it should before any work is done
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return finished;
    }

    private void read(Path path) throws IOException {
        String text = Files.readString(path);
        int whole = text.lastIndexOf('\n') + 1;
        int number = 0;
        for (String line : text.substring(0, whole).lines().toList()) {
            number++;
            try {
                Line read = JSON.readValue(line, Line.class);
                if (read.key() == null || read.outcomes() == null) {
                    throw new EvalException(path + ":" + number + ": no key or no outcomes; it is no file of results:"
                            + " name another with --results");
                }
                lines.put(read.key(), read);
            } catch (JacksonException e) {
                throw new EvalException(path + ":" + number + ": no line of results; remove it, or name another file"
                        + " with --results");
            }
        }
        if (whole < text.length()) {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(text.substring(0, whole).getBytes(StandardCharsets.UTF_8).length);
            }
        }
    }

    private String key(Questions questions, int run) {
        return TaskData.sha256((model + "\n" + questions.identity(run)).getBytes(StandardCharsets.UTF_8));
    }

    /** A run's line, if it is done. */
    Optional<Line> find(Questions questions, int run) {
        return Optional.ofNullable(lines.get(key(questions, run)))
                .filter(line -> line.outcomes().length == questions.count());
    }

    /** Keeps a run's outcomes: on the disk when this returns. */
    Line add(Questions questions, int run, double[][] outcomes, long dropped, long cut) {
        Line line = new Line(key(questions, run), questions.task().name(), run, outcomes, dropped, cut);
        if (file != null) {
            ByteBuffer bytes = ByteBuffer.wrap((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND)) {
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return line;
    }
}
