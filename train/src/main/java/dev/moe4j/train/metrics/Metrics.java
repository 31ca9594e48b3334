package dev.moe4j.train.metrics;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.model.routing.LayerRouting;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes the metrics of each logged step to metrics.jsonl and to TensorBoard. Metric names follow the published system
 * where it has one. TensorBoard shows them in the sections train, eval, experts and time.
 *
 * <p>Metrics that vary from run to run have {@code second}, {@code rss} or {@code utilization} in their names. All
 * others are reproducible, however often a run was killed and resumed.
 */
public final class Metrics implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;
    private final FileChannel channel;
    private final TensorBoard board;

    /** Creates a writer for open files; see {@link #open}. */
    public Metrics(Path file, FileChannel channel, TensorBoard board) {
        this.file = file;
        this.channel = channel;
        this.board = board;
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
            return new Metrics(
                    file,
                    FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.APPEND),
                    TensorBoard.open(run.path(), step));
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
     * The values of one line.
     *
     * @param progress the step's result
     * @param tokens tokens trained on so far
     * @param seconds seconds of training so far
     * @param dataWaitSeconds seconds that training waited for data since the previous line
     * @param stalledSeconds seconds that training waited for checkpoints since the previous line
     * @param exchangeSeconds seconds that training waited for other processes since the previous line
     */
    public record Line(
            TrainingProgress progress,
            long tokens,
            double seconds,
            double dataWaitSeconds,
            double stalledSeconds,
            double exchangeSeconds) {}

    /**
     * Appends a line.
     *
     * @throws TrainException if the file cannot be written
     */
    public void write(Line written) {
        TrainingProgress progress = written.progress();
        SequencedMap<String, ObjectNode> sections = new LinkedHashMap<>();
        sections.put("train", train(progress.result(), written.tokens()));
        sections.put("eval", evaluation(progress.evaluation()));
        sections.put("experts", experts(progress.result()));
        sections.put("time", time(written));
        ObjectNode line = JSON.createObjectNode().put("step", progress.result().step());
        Map<String, Double> scalars = new LinkedHashMap<>();
        sections.forEach((section, fields) -> {
            line.setAll(fields);
            fields.properties().stream()
                    .filter(field -> field.getValue().isNumber())
                    .forEach(field -> scalars.put(
                            section + "/" + field.getKey(), field.getValue().asDouble()));
        });
        ByteBuffer bytes = ByteBuffer.wrap((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                int _ = channel.write(bytes);
            }
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
        board.write(progress.result().step(), scalars);
    }

    private static ObjectNode train(StepResult result, long tokens) {
        ObjectNode fields = JSON.createObjectNode();
        fields.put("tokens", tokens);
        fields.put("loss", result.loss());
        fields.put("ppl", Math.exp(result.loss()));
        fields.put("lr", result.learningRate());
        // JSON cannot represent the norm of gradients that overflowed.
        fields.put("grad_norm", Double.isFinite(result.gradientNorm()) ? result.gradientNorm() : null);
        fields.put("loss_scale", result.lossScale());
        fields.put("skipped_updates", result.skipped());
        return fields;
    }

    private static ObjectNode evaluation(Map<String, Double> losses) {
        ObjectNode fields = JSON.createObjectNode();
        losses.forEach((set, loss) -> {
            fields.put(set + "_loss", loss);
            fields.put(set + "_ppl", Math.exp(loss));
        });
        return fields;
    }

    private static ObjectNode time(Line written) {
        ObjectNode fields = JSON.createObjectNode();
        fields.put("seconds", written.seconds());
        fields.put("data_wait_seconds", written.dataWaitSeconds());
        fields.put("checkpoint_stall_seconds", written.stalledSeconds());
        fields.put("exchange_seconds", written.exchangeSeconds());
        fields.put("tokens_per_second", written.progress().tokensPerSecond());
        fields.put("model_flops_utilization", written.progress().utilization());
        ResidentMemory.now().ifPresent(bytes -> fields.put("rss_bytes", bytes));
        return fields;
    }

    /** Forces all lines to the disk. Another thread may call this. */
    public void force() throws IOException {
        channel.force(false);
    }

    private static ObjectNode experts(StepResult result) {
        ObjectNode fields = JSON.createObjectNode();
        List<LayerRouting> layers = result.routing();
        if (layers.isEmpty()) {
            return fields;
        }
        fields.put("gate_loss", result.balance());
        fields.put("entropy_gating", mean(layers, LayerRouting::entropy));
        int ranks = layers.getFirst().statistics().overflow().length;
        for (int rank = 0; rank < ranks; rank++) {
            int r = rank;
            String expert = "expert" + (rank + 1);
            fields.put(
                    "overflow_" + expert,
                    mean(layers, layer -> layer.statistics().overflow()[r]));
            fields.put(
                    expert + "_balance_top",
                    mean(layers, layer -> layer.statistics().balanceTop()[r]));
            fields.put(
                    expert + "_balance_bottom",
                    mean(layers, layer -> layer.statistics().balanceBottom()[r]));
            fields.put(
                    "unused_" + expert + "_count",
                    mean(layers, layer -> layer.statistics().unused()[r]));
        }
        return fields;
    }

    private static double mean(List<LayerRouting> layers, ToDoubleFunction<LayerRouting> figure) {
        return layers.stream().mapToDouble(figure).average().orElse(0);
    }

    @Override
    public void close() {
        try (board) {
            channel.close();
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
    }
}
