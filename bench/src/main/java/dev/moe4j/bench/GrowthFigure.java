package dev.moe4j.bench;

import dev.moe4j.eval.perplexity.HtmlEscaper;
import java.util.List;
import java.util.Locale;

/**
 * An SVG figure with bars of a step's time by number of experts and by sequence length. A mark in each bar shows the first
 * bar's time, scaled by useful FLOPs.
 */
public final class GrowthFigure {

    private static final int PANEL = 380;
    private static final int HEIGHT = 320;
    private static final int TOP = 56;
    private static final int BOTTOM = 270;
    private static final int LEFT = 20;

    private GrowthFigure() {}

    /**
     * The figure as SVG.
     *
     * @param title model, device and date
     */
    public static String svg(String title, Growth.Result result) {
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                        + " font-size=\"12\" fill=\"#111827\">%n<title>%s</title>%n"
                        + "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>%n",
                2 * PANEL,
                HEIGHT,
                HtmlEscaper.escape(title)));
        text(svg, LEFT, 18, "start", title);
        panel(svg, 0, "experts, at equal FLOPs except the router's", result.experts());
        panel(svg, PANEL, "sequence length, at equal tokens per step", result.lengths());
        text(svg, LEFT, HEIGHT - 8, "start", "bars: ms per step; lines: the first bar's time, scaled by useful FLOPs");
        return svg.append("</svg>\n").toString();
    }

    private static void panel(StringBuilder svg, int x, String name, List<Growth.Point> points) {
        if (points.isEmpty()) {
            return;
        }
        text(svg, x + LEFT, TOP - 16, "start", name);
        Growth.Point first = points.getFirst();
        double secondsPerFlop = first.seconds() / (first.flopsPerToken() * first.tokens());
        double highest = points.stream()
                .mapToDouble(point -> Math.max(point.seconds(), expected(point, secondsPerFlop)))
                .max()
                .orElseThrow();
        double step = (PANEL - 2.0 * LEFT) / points.size();
        for (int i = 0; i < points.size(); i++) {
            Growth.Point point = points.get(i);
            double left = x + LEFT + i * step;
            double bar = y(point.seconds(), highest);
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#93c5fd\"/>%n",
                    left,
                    bar,
                    0.7 * step,
                    BOTTOM - bar));
            double mark = y(expected(point, secondsPerFlop), highest);
            svg.append(String.format(
                    Locale.ROOT,
                    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#b45309\" stroke-width=\"2\"/>%n",
                    left - 0.05 * step,
                    left + 0.75 * step,
                    mark,
                    mark));
            double middle = left + 0.35 * step;
            // Above the mark if the mark is higher, so that they do not overlap.
            text(
                    svg,
                    middle,
                    Math.min(bar, mark) - 5,
                    "middle",
                    String.format(Locale.ROOT, "%.0f", 1000 * point.seconds()));
            text(svg, middle, BOTTOM + 16, "middle", String.valueOf(point.value()));
        }
    }

    private static double expected(Growth.Point point, double secondsPerFlop) {
        return secondsPerFlop * point.flopsPerToken() * point.tokens();
    }

    private static double y(double seconds, double highest) {
        return BOTTOM - (BOTTOM - TOP) * seconds / highest;
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
        svg.append(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
                x,
                y,
                anchor,
                HtmlEscaper.escape(text)));
    }
}
