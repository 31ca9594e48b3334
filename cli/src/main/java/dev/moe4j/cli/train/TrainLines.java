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

/** What {@link TrainView} shows of a run, as lines that are no wider than asked. */
final class TrainLines {
    private static final int CURVE_ROWS = 3;

    /** Layers shown; of more, the least even. */
    private static final int MOST_LAYERS = 6;

    private static final String LEVELS = "▁▂▃▄▅▆▇█";

    /** Of an expert that takes no token. */
    private static final char DEAD = '·';

    private TrainLines() {}

    /**
     * A run at a step.
     *
     * @param skipped steps so far that made no update
     * @param left until the end; null while it is not known
     * @param utilization of the matmul peak, from 0 to 1
     * @param memoryBytes that the process has in memory; 0 where it is not known
     * @param validation the newest loss in nats per token of each set; empty before the first evaluation
     * @param layers the MoE layers; empty for dense models
     */
    record Figures(
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
     * An MoE layer.
     *
     * @param number from 0
     * @param load each expert's tokens as a multiple of an even share, {@code [experts]}
     */
    record Layer(int number, double[] load) {

        double most() {
            return Arrays.stream(load).max().orElse(0);
        }

        long dead() {
            return Arrays.stream(load).filter(share -> share == 0).count();
        }
    }

    static List<String> of(Figures figures, LossCurve curve, int columns) {
        List<String> lines = new ArrayList<>();
        lines.add(progress(figures, columns));
        lines.addAll(curve.lines(columns, CURVE_ROWS));
        lines.addAll(flow(parts(figures), columns));
        List<String> validation = new ArrayList<>();
        figures.validation().forEach((name, loss) -> validation.add("%s %.3f".formatted(name, loss)));
        if (!validation.isEmpty()) {
            validation.set(0, "validation: " + validation.getFirst());
            lines.addAll(flow(validation, columns));
        }
        lines.addAll(layers(figures.layers(), columns));
        lines.replaceAll(line -> cut(line, columns));
        return lines;
    }

    private static String progress(Figures figures, int columns) {
        String start = "train ";
        StringBuilder end = new StringBuilder(
                " %,d/%,d (%d %%)".formatted(figures.step(), figures.steps(), 100 * figures.step() / figures.steps()));
        if (figures.left() != null) {
            end.append(", ").append(ProgressLine.clock(figures.left())).append(" left");
        }
        int room = columns - start.length() - end.length() - 2;
        if (room < 4) {
            return start.strip() + end;
        }
        int done = (int) (room * figures.step() / figures.steps());
        return start + '[' + "=".repeat(done) + " ".repeat(room - done) + ']' + end;
    }

    private static List<String> parts(Figures figures) {
        List<String> parts = new ArrayList<>();
        parts.add("loss %.4f".formatted(figures.loss()));
        parts.add("rate %.2e".formatted(figures.learningRate()));
        parts.add("gradient %.3g".formatted(figures.gradientNorm()));
        if (figures.skipped() > 0) {
            parts.add("%,d skipped".formatted(figures.skipped()));
        }
        parts.add("%,.0f tokens/s".formatted(figures.tokensPerSecond()));
        parts.add("%.0f %% of peak".formatted(100 * figures.utilization()));
        if (figures.memoryBytes() > 0) {
            parts.add("%.1f GiB".formatted(figures.memoryBytes() / (double) (1L << 30)));
        }
        return parts;
    }

    /** As many parts to a line as fit. */
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
                .limit(MOST_LAYERS)
                .sorted(Comparator.comparingInt(Layer::number))
                .toList();
        List<String> lines = new ArrayList<>();
        for (Layer layer : shown) {
            lines.add(layer(layer, columns));
        }
        if (shown.size() < layers.size()) {
            lines.add("and %d more layers, all more even".formatted(layers.size() - shown.size()));
        }
        return lines;
    }

    /** Bars of the experts, neighbours together where there are more than fit; an even share is half as high as two. */
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
