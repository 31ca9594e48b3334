package dev.moe4j.train;

import dev.moe4j.base.AtomicFile;
import dev.moe4j.model.LossReport;
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
import java.util.function.ToDoubleFunction;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes metrics.jsonl, an object per logged step, under the published system's names where it has one, and the same for
 * TensorBoard beside it. Fields that vary
 * from run to run have {@code second}, {@code rss} or {@code utilization} in their names; all others are reproducible,
 * however often a run was killed and resumed.
 */
final class Metrics implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;
    private final FileChannel channel;
    private final TensorBoard board;

    private Metrics(Path file, FileChannel channel, TensorBoard board) {
        this.file = file;
        this.channel = channel;
        this.board = board;
    }

    /**
     * Opens the file for what comes after a step.
     *
     * @param step that of the checkpoint that a run goes on from: lines of later steps, which will be written again, are
     *     cut off, and with them a line that was never finished; 0 begins anew
     */
    static Metrics open(RunFolder run, long step) {
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
        // The last line counts only if it was ended.
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
            try {
                if (JSON.readTree(line).path("step").asLong(Long.MAX_VALUE) > step) {
                    break;
                }
            } catch (JacksonException e) {
                throw new TrainException(
                        file + ": line " + (lines.size() + 1)
                                + " is no JSON; repair it or move the file away before --resume",
                        e);
            }
            lines.add(line);
        }
        return lines.isEmpty() ? "" : String.join("\n", lines) + "\n";
    }

    /**
     * A step and what is known beside it.
     *
     * @param tokens trained on so far
     * @param seconds of training so far
     * @param dataWaitSeconds that training waited for data since the line before
     * @param stalledSeconds that training waited for checkpoints since the line before
     * @param exchangeSeconds that it waited for other processes since the line before
     */
    record Line(
            TrainingRun.Progress progress,
            long tokens,
            double seconds,
            double dataWaitSeconds,
            double stalledSeconds,
            double exchangeSeconds) {}

    void write(Line written) {
        Trainer.Result result = written.progress().result();
        ObjectNode line = JSON.createObjectNode();
        line.put("step", result.step());
        line.put("tokens", written.tokens());
        line.put("loss", result.loss());
        line.put("ppl", Math.exp(result.loss()));
        line.put("lr", result.learningRate());
        // JSON has no number for a gradient that overflowed.
        line.put("grad_norm", Double.isFinite(result.gradientNorm()) ? result.gradientNorm() : null);
        line.put("loss_scale", result.lossScale());
        line.put("skipped_updates", result.skipped());
        written.progress().evaluation().forEach((set, loss) -> {
            line.put(set + "_loss", loss);
            line.put(set + "_ppl", Math.exp(loss));
        });
        routing(line, result);
        line.put("seconds", written.seconds());
        line.put("data_wait_seconds", written.dataWaitSeconds());
        line.put("checkpoint_stall_seconds", written.stalledSeconds());
        line.put("exchange_seconds", written.exchangeSeconds());
        line.put("tokens_per_second", written.progress().tokensPerSecond());
        line.put("model_flops_utilization", written.progress().utilization());
        ResidentMemory.now().ifPresent(bytes -> line.put("rss_bytes", bytes));
        ByteBuffer bytes = ByteBuffer.wrap((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                int _ = channel.write(bytes);
            }
        } catch (IOException e) {
            throw TrainException.cannotWrite(file, e);
        }
        Map<String, Double> scalars = new LinkedHashMap<>();
        line.properties().forEach(field -> {
            if (field.getValue().isNumber() && !field.getKey().equals("step")) {
                scalars.put(field.getKey(), field.getValue().asDouble());
            }
        });
        board.write(result.step(), scalars);
    }

    /** Puts all lines on the disk. May be called by another thread. */
    void force() throws IOException {
        channel.force(false);
    }

    private static void routing(ObjectNode line, Trainer.Result result) {
        List<LossReport.LayerRouting> layers = result.routing();
        if (layers.isEmpty()) {
            return;
        }
        line.put("gate_loss", result.balance());
        line.put("entropy_gating", mean(layers, LossReport.LayerRouting::entropy));
        int ranks = layers.getFirst().statistics().overflow().length;
        for (int rank = 0; rank < ranks; rank++) {
            int r = rank;
            String expert = "expert" + (rank + 1);
            line.put(
                    "overflow_" + expert,
                    mean(layers, layer -> layer.statistics().overflow()[r]));
            line.put(
                    expert + "_balance_top",
                    mean(layers, layer -> layer.statistics().balanceTop()[r]));
            line.put(
                    expert + "_balance_bottom",
                    mean(layers, layer -> layer.statistics().balanceBottom()[r]));
            line.put(
                    "unused_" + expert + "_count",
                    mean(layers, layer -> layer.statistics().unused()[r]));
        }
    }

    private static double mean(List<LossReport.LayerRouting> layers, ToDoubleFunction<LossReport.LayerRouting> figure) {
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
