package dev.moe4j.cli.train;

import dev.moe4j.console.view.LossCurve;
import dev.moe4j.console.view.ProgressLine;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Formats the lines that {@link TrainView} shows on a terminal, none wider than requested. */
final class TrainLines {
    private static final int CURVE_ROWS = 3;

    /** The maximum number of layers shown. Of more layers, the most unbalanced are shown. */
    private static final int MAX_LAYERS = 6;

    private static final String LEVELS = "▁▂▃▄▅▆▇█";

    /** The bar of an expert that receives no tokens. */
    private static final char DEAD = '·';

    private TrainLines() {}

    /**
     * The state of a run after a step.
     *
     * @param skipped the steps so far that made no update
     * @param left the time left; null if unknown
     * @param utilization the fraction of the matmul peak, from 0 to 1
     * @param memoryBytes the resident memory of the process, in bytes; 0 if unknown
     * @param validation the latest loss on each validation set, in nats per token; empty before the first
     * evaluation
     * @param layers the MoE layers; empty for dense models
     */
    record Snapshot(
            long step,
            long steps,
            long skipped,
            @Nullable Duration left,
            double loss,
            double learningRate,
            double gradientNorm,
            double tokensPerSecond,
            double utilization,
            long memoryBytes,
            Map<String, Double> validation,
            List<Layer> layers) {}

    /**
     * The load of an MoE layer's experts.
     *
     * @param number the layer's index, from 0
     * @param load for each expert, its tokens relative to an even share, {@code [experts]}
     */
    record Layer(int number, double[] load) {

        double most() {
            return Arrays.stream(load).max().orElse(0);
        }

        long dead() {
            return Arrays.stream(load).filter(share -> share == 0).count();
        }
    }

    static List<String> of(Snapshot snapshot, LossCurve curve, int columns) {
        List<String> lines = new ArrayList<>();
        lines.add(progress(snapshot, columns));
        lines.addAll(curve.lines(columns, CURVE_ROWS));
        lines.addAll(flow(parts(snapshot), columns));
        List<String> validation = new ArrayList<>();
        snapshot.validation().forEach((name, loss) -> validation.add("%s %.3f".formatted(name, loss)));
        if (!validation.isEmpty()) {
            validation.set(0, "validation: " + validation.getFirst());
            lines.addAll(flow(validation, columns));
        }
        lines.addAll(layers(snapshot.layers(), columns));
        lines.replaceAll(line -> cut(line, columns));
        return lines;
    }

    private static String progress(Snapshot snapshot, int columns) {
        String start = "train ";
        StringBuilder end = new StringBuilder(" %,d/%,d (%d %%)"
                .formatted(snapshot.step(), snapshot.steps(), 100 * snapshot.step() / snapshot.steps()));
        if (snapshot.left() != null) {
            end.append(", ").append(ProgressLine.clock(snapshot.left())).append(" left");
        }
        int barColumns = columns - start.length() - end.length() - 2;
        if (barColumns < 4) {
            return start.strip() + end;
        }
        int done = (int) (barColumns * snapshot.step() / snapshot.steps());
        return start + '[' + "=".repeat(done) + " ".repeat(barColumns - done) + ']' + end;
    }

    private static List<String> parts(Snapshot snapshot) {
        List<String> parts = new ArrayList<>();
        parts.add("loss %.4f".formatted(snapshot.loss()));
        parts.add("rate %.2e".formatted(snapshot.learningRate()));
        parts.add("gradient %.3g".formatted(snapshot.gradientNorm()));
        if (snapshot.skipped() > 0) {
            parts.add("%,d skipped".formatted(snapshot.skipped()));
        }
        parts.add("%,.0f tokens/s".formatted(snapshot.tokensPerSecond()));
        parts.add("%.0f %% of peak".formatted(100 * snapshot.utilization()));
        if (snapshot.memoryBytes() > 0) {
            parts.add("%.1f GiB".formatted(snapshot.memoryBytes() / (double) (1L << 30)));
        }
        return parts;
    }

    /** Joins the parts to lines, each with as many parts as fit. */
    private static List<String> flow(List<String> parts, int columns) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (String part : parts) {
            if (!line.isEmpty() && line.length() + 2 + part.length() > columns) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : ", ").append(part);
        }
        lines.add(line.toString());
        return lines;
    }

    private static List<String> layers(List<Layer> layers, int columns) {
        List<Layer> shown = layers.stream()
                .sorted(Comparator.comparingLong(Layer::dead)
                        .thenComparingDouble(Layer::most)
                        .reversed())
                .limit(MAX_LAYERS)
                .sorted(Comparator.comparingInt(Layer::number))
                .toList();
        List<String> lines = new ArrayList<>();
        for (Layer layer : shown) {
            lines.add(layer(layer, columns));
        }
        if (shown.size() < layers.size()) {
            lines.add("and %d more layers, all better balanced".formatted(layers.size() - shown.size()));
        }
        return lines;
    }

    /**
     * Draws a bar for each expert, or one bar for several neighbours if they do not all fit. The scale ends at
     * twice the even share, or at the highest load if that is higher.
     */
    private static String layer(Layer layer, int columns) {
        String start = "layer %-3d ".formatted(layer.number());
        String end = " at most %.1f x even".formatted(layer.most())
                + (layer.dead() > 0 ? ", %d dead".formatted(layer.dead()) : "");
        int bars = Math.min(layer.load().length, columns - start.length() - end.length());
        StringBuilder line = new StringBuilder(start);
        double top = Math.max(2, layer.most());
        for (int bar = 0; bar < bars; bar++) {
            int from = (int) ((long) bar * layer.load().length / bars);
            int to = (int) ((long) (bar + 1) * layer.load().length / bars);
            double share = Arrays.stream(layer.load(), from, to).average().orElse(0);
            line.append(
                    share == 0
                            ? DEAD
                            : LEVELS.charAt((int) Math.min(LEVELS.length() - 1, share / top * LEVELS.length())));
        }
        return line + end;
    }

    private static String cut(String line, int columns) {
        return line.length() <= columns ? line : line.substring(0, Math.max(0, columns - 1)) + "…";
    }
}
