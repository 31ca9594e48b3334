package dev.moe4j.train.metrics;

import dev.moe4j.model.routing.LayerRouting;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The metrics of a report by section: train, eval, experts and time. Names follow the published system where it has one.
 *
 * <p>Metrics that vary from run to run have {@code second}, {@code rss} or {@code utilization} in their names. All others
 * are reproducible, however often a run was killed and resumed.
 */
final class MetricFields {

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private MetricFields() {}

    /** The fields of each section, in order. */
    static SequencedMap<String, ObjectNode> of(TrainingReport report) {
        TrainingProgress progress = report.progress();
        SequencedMap<String, ObjectNode> sections = new LinkedHashMap<>();
        sections.put("train", train(progress.result(), report.tokens()));
        sections.put("eval", evaluation(progress.evaluation()));
        sections.put("experts", experts(progress.result()));
        sections.put("time", time(report));
        return sections;
    }

    private static ObjectNode train(StepResult result, long tokens) {
        ObjectNode fields = JSON.objectNode();
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
        ObjectNode fields = JSON.objectNode();
        losses.forEach((set, loss) -> {
            fields.put(set + "_loss", loss);
            fields.put(set + "_ppl", Math.exp(loss));
        });
        return fields;
    }

    private static ObjectNode time(TrainingReport report) {
        ObjectNode fields = JSON.objectNode();
        fields.put("seconds", report.seconds());
        fields.put("data_wait_seconds", report.dataWaitSeconds());
        fields.put("checkpoint_stall_seconds", report.stalledSeconds());
        fields.put("exchange_seconds", report.exchangeSeconds());
        fields.put("tokens_per_second", report.progress().tokensPerSecond());
        fields.put("model_flops_utilization", report.progress().utilization());
        ResidentMemory.now().ifPresent(bytes -> fields.put("rss_bytes", bytes));
        return fields;
    }

    private static ObjectNode experts(StepResult result) {
        ObjectNode fields = JSON.objectNode();
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
}
