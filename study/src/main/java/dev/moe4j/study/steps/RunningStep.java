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

/** A step's process, whose stdin this one holds: when this one is gone, so is that. */
public final class RunningStep {

    private static final JsonMapper JSON = new JsonMapper();
    private static final Pattern SHARE = Pattern.compile("(\\d+)/(\\d+) \\(");
    private static final int TAIL = 4096;

    private final Step step;
    private final Process process;
    private final long began = System.nanoTime();
    private long measuredFrom = began;
    private double before = Double.POSITIVE_INFINITY;
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
     * @param program what comes before it
     * @param environment of the process, over this one's
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

    /** Adds energy that was drawn for this step. It is kept on the disk, so that no attempt's is lost. */
    public void addJoules(double more) {
        joules += more;
        measured = true;
        try {
            AtomicFile.write(step.folder().resolve("joules"), Double.toString(joules));
        } catch (IOException e) {
            throw new StudyException("cannot write to " + step.folder() + ": " + DataException.reason(e), e);
        }
    }

    /** What its command printed, with what it cost. */
    public StudyFolder.Result result() {
        Path file = step.folder().resolve("output.txt");
        try {
            JsonNode output = JSON.readTree(Files.readString(file));
            double seconds = output.path("seconds").asDouble(seconds());
            return new StudyFolder.Result(seconds, measured ? joules : null, output);
        } catch (IOException | JacksonException e) {
            throw new StudyException(step.title() + ": " + file + " is no result", e);
        }
    }

    /** Asks it to end; training writes a checkpoint first. */
    public void stop() {
        process.destroy();
    }

    public void kill() {
        process.destroyForcibly().onExit().join();
    }

    /** The share that is done, from 0 to 1; NaN where it is not known. */
    public double share() {
        if (step.kind() == Step.Kind.TRAIN) {
            double done = trained().path("step").asDouble(0);
            return done / step.total();
        }
        Matcher share = SHARE.matcher(lastLine(log(step)));
        return share.find() && !share.group(2).equals("0")
                ? Double.parseDouble(share.group(1)) / Double.parseDouble(share.group(2))
                : Double.NaN;
    }

    /**
     * Seconds that the whole step takes at the rate of this attempt; NaN at first. An attempt may go on in the middle, and
     * what an earlier one said of itself stands there until it does: the least share seen is where this one began.
     */
    double secondsInAll() {
        double share = share();
        long now = System.nanoTime();
        if (share < before) {
            before = share;
            measuredFrom = now;
        }
        return share > before ? (now - measuredFrom) / 1e9 / (share - before) : Double.NaN;
    }

    /** The time left at that rate; null at first. */
    @Nullable
    public Duration left() {
        double left = secondsInAll() * (1 - share());
        return Double.isNaN(left) ? null : Duration.ofMillis((long) (1000 * left));
    }

    /** What it says of itself. */
    public String text() {
        if (step.kind() == Step.Kind.TRAIN) {
            JsonNode line = trained();
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

    private JsonNode trained() {
        String line = lastLine(step.folder().resolve("run").resolve("metrics.jsonl"));
        try {
            return line.isEmpty() ? JSON.missingNode() : JSON.readTree(line);
        } catch (JacksonException e) {
            return JSON.missingNode(); // half a line, still being written
        }
    }

    public static Path log(Step step) {
        return step.folder().resolve("log.txt");
    }

    /** The last line of a file that is not blank; empty where there is none. */
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
