package dev.moe4j.study.steps;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The child process of a step. This process holds the child's stdin open. The child ends when stdin closes, so it cannot
 * outlive this process.
 */
public final class RunningStep {

    private static final JsonMapper JSON = new JsonMapper();
    private static final Pattern COUNTS = Pattern.compile("(\\d+)/(\\d+) \\(");
    private static final int TAIL = 4096;

    private final Step step;
    private final Process process;
    private final long began = System.nanoTime();
    private long measuredFrom = began;
    private double lowestSeen = Double.POSITIVE_INFINITY;
    private double joules;
    private boolean measured;

    private RunningStep(Step step, Process process) {
        this.step = step;
        this.process = process;
        this.joules = number(step.folder().resolve("joules"));
    }

    /**
     * Starts a step's command.
     *
     * @param step the step; its folder must exist
     * @param program the command line that starts {@code moe4j}; the step's arguments follow it
     * @param environment variables that are added to this process's environment
     * @throws StudyException if the process cannot be started
     */
    public static RunningStep start(Step step, List<String> program, Map<String, String> environment) {
        List<String> command = new ArrayList<>(program);
        command.addAll(step.command());
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(step.folder().resolve("output.txt").toFile())
                .redirectError(ProcessBuilder.Redirect.appendTo(log(step).toFile()));
        builder.environment().putAll(environment);
        try {
            return new RunningStep(step, builder.start());
        } catch (IOException e) {
            throw new StudyException("cannot start " + step.title() + ": " + DataException.reason(e), e);
        }
    }

    public Step step() {
        return step;
    }

    public boolean alive() {
        return process.isAlive();
    }

    public int code() {
        return process.exitValue();
    }

    public double seconds() {
        return (System.nanoTime() - began) / 1e9;
    }

    /** Adds to the energy that this step has used. The sum is stored on disk, so that a later attempt continues it. */
    public void addJoules(double more) {
        joules += more;
        measured = true;
        try {
            AtomicFile.write(step.folder().resolve("joules"), Double.toString(joules));
        } catch (IOException e) {
            throw new StudyException("cannot write to " + step.folder() + ": " + DataException.reason(e), e);
        }
    }

    /**
     * The result of a step that has exited successfully.
     *
     * @throws StudyException if the command's output is not JSON
     */
    public StudyFolder.Result result() {
        Path file = step.folder().resolve("output.txt");
        try {
            JsonNode output = JSON.readTree(Files.readString(file));
            double seconds = output.path("seconds").asDouble(seconds());
            return new StudyFolder.Result(seconds, measured ? joules : null, output);
        } catch (IOException | JacksonException e) {
            throw new StudyException(step.title() + ": the output in " + file + " is not JSON", e);
        }
    }

    /** Asks the process to end. A training writes a checkpoint first. */
    public void stop() {
        process.destroy();
    }

    /** Kills the process and waits for its end. */
    public void kill() {
        process.destroyForcibly().onExit().join();
    }

    /** The fraction of the step that is done, from 0 to 1; NaN if unknown. */
    public double fractionDone() {
        if (step.kind() == Step.Kind.TRAIN) {
            double done = lastMetrics().path("step").asDouble(0);
            return done / step.total();
        }
        Matcher counts = COUNTS.matcher(lastLine(log(step)));
        return counts.find() && !counts.group(2).equals("0")
                ? Double.parseDouble(counts.group(1)) / Double.parseDouble(counts.group(2))
                : Double.NaN;
    }

    /**
     * Estimated seconds of the complete step at this attempt's speed; NaN until there is progress.
     *
     * <p>An attempt may resume in the middle, and the last attempt's progress stays on disk until then. So the lowest
     * fraction seen is taken as the start of this attempt.
     */
    double estimatedSeconds() {
        double done = fractionDone();
        long now = System.nanoTime();
        if (done < lowestSeen) {
            lowestSeen = done;
            measuredFrom = now;
        }
        return done > lowestSeen ? (now - measuredFrom) / 1e9 / (done - lowestSeen) : Double.NaN;
    }

    /** The estimated remaining time; null until there is progress. */
    @Nullable
    public Duration timeLeft() {
        double left = estimatedSeconds() * (1 - fractionDone());
        return Double.isNaN(left) ? null : Duration.ofMillis((long) (1000 * left));
    }

    /** The current state in a few words: loss and speed of a training, else the last line of the log. */
    public String status() {
        if (step.kind() == Step.Kind.TRAIN) {
            JsonNode line = lastMetrics();
            return line.isMissingNode()
                    ? "starting"
                    : String.format(
                            "loss %.3f, %,.0f tokens/s",
                            line.path("loss").asDouble(),
                            line.path("tokens_per_second").asDouble());
        }
        String line = lastLine(log(step));
        return line.isEmpty() ? "starting" : line;
    }

    private JsonNode lastMetrics() {
        String line = lastLine(step.folder().resolve("run").resolve("metrics.jsonl"));
        try {
            return line.isEmpty() ? JSON.missingNode() : JSON.readTree(line);
        } catch (JacksonException e) {
            return JSON.missingNode(); // the line is still being written
        }
    }

    /** The file that receives the stderr of all attempts. */
    public static Path log(Step step) {
        return step.folder().resolve("log.txt");
    }

    /** The last non-blank line of a file; empty if the file is blank or cannot be read. */
    public static String lastLine(Path file) {
        try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
            long from = Math.max(0, in.length() - TAIL);
            byte[] bytes = new byte[(int) (in.length() - from)];
            in.seek(from);
            in.readFully(bytes);
            return new String(bytes, StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isBlank())
                    .reduce("", (_, line) -> line);
        } catch (IOException e) {
            return "";
        }
    }

    private static double number(Path file) {
        try {
            return Files.exists(file) ? Double.parseDouble(Files.readString(file)) : 0;
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }
}
