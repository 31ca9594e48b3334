package dev.moe4j.train.metrics;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes the metrics of each report to metrics.jsonl, a line each. {@link MetricFields} has the names.
 */
public final class Metrics implements TrainingListener, AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;
    private final FileChannel channel;

    /** Creates a writer for an open file; see {@link #open}. */
    public Metrics(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Opens a run's metrics to append to them.
     *
     * @param step the step of the checkpoint that the run resumes from; lines of later steps and an unfinished last
     *     line are removed, since these steps run again. 0 starts with an empty file
     * @throws TrainException if a line is not JSON or the file cannot be written
     */
    public static Metrics open(RunFolder run, long step) {
        Path file = run.metrics();
        try {
            AtomicFile.write(file, kept(file, step));
            return new Metrics(file, FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.APPEND));
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }

    private static String kept(Path file, long step) throws IOException {
        if (step == 0 || !Files.exists(file)) {
            return "";
        }
        List<String> lines = new ArrayList<>();
        String text = Files.readString(file);
        // An unterminated last line is incomplete.
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
            try {
                if (JSON.readTree(line).path("step").asLong(Long.MAX_VALUE) > step) {
                    break;
                }
            } catch (JacksonException e) {
                throw new TrainException(
                        file + ": line " + (lines.size() + 1)
                                + " is not JSON; repair it or move the file away before you resume the run",
                        e);
            }
            lines.add(line);
        }
        return lines.isEmpty() ? "" : String.join("\n", lines) + "\n";
    }

    /**
     * Appends a line.
     *
     * @throws TrainException if the file cannot be written
     */
    @Override
    public void onReport(TrainingReport report) {
        ObjectNode line =
                JSON.createObjectNode().put("step", report.progress().result().step());
        MetricFields.of(report).values().forEach(line::setAll);
        ByteBuffer bytes = ByteBuffer.wrap((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                int _ = channel.write(bytes);
            }
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }

    /** Forces all lines to the disk. Another thread may call this. */
    public void force() throws IOException {
        channel.force(false);
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }
}
