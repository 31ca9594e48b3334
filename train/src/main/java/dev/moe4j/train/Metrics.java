package dev.moe4j.train;

import dev.moe4j.model.LossReport;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.function.ToDoubleFunction;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes metrics.jsonl, an object per logged step, under the published system's names where it has one. Fields that vary
 * from run to run have {@code second} or {@code utilization} in their names; all others are reproducible.
 */
final class Metrics implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;
    private final BufferedWriter writer;

    private Metrics(Path file, BufferedWriter writer) {
        this.file = file;
        this.writer = writer;
    }

    static Metrics create(Path file) {
        try {
            return new Metrics(file, Files.newBufferedWriter(file, StandardOpenOption.CREATE_NEW));
        } catch (IOException e) {
            throw new TrainException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    /**
     * @param tokens trained on so far
     * @param seconds since the run began
     */
    void write(TrainingRun.Progress progress, long tokens, double seconds) {
        Trainer.Result result = progress.result();
        ObjectNode line = JSON.createObjectNode();
        line.put("step", result.update());
        line.put("tokens", tokens);
        line.put("loss", result.loss());
        line.put("ppl", Math.exp(result.loss()));
        line.put("lr", result.learningRate());
        line.put("grad_norm", result.gradientNorm());
        line.put("seconds", seconds);
        line.put("tokens_per_second", progress.tokensPerSecond());
        line.put("model_flops_utilization", progress.utilization());
        routing(line, result);
        try {
            writer.write(JSON.writeValueAsString(line));
            writer.newLine();
            writer.flush();
        } catch (IOException e) {
            throw new TrainException("cannot write " + file + ": " + e.getMessage(), e);
        }
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
        try {
            writer.close();
        } catch (IOException e) {
            throw new TrainException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }
}
