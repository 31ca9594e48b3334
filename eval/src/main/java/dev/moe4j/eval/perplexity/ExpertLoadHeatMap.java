package dev.moe4j.eval.perplexity;

import dev.moe4j.eval.EvalException;
import java.util.List;
import java.util.Locale;

/**
 * Draws expert load as an SVG heat map: which experts serve which text. Each MoE layer has a row per text and a column
 * per expert. White is an even share, red is more and blue is less. Colours are saturated at 8 times and at an eighth
 * of an even share.
 */
public final class ExpertLoadHeatMap {

    private static final int CELL = 14;
    private static final int LABEL = 160;
    private static final int TITLE = 26;
    private static final int MARGIN = 10;
    private static final int LEGEND = 20;
    /** The minimum width, for a layer's heading if there are few experts. */
    private static final int MIN_WIDTH = 380;
    /** Octaves from an even share to full colour. */
    private static final double OCTAVES = 3;

    private ExpertLoadHeatMap() {}

    /** The expert load of one text in each MoE layer. */
    public record Row(String name, List<Score.ExpertLoad> layers) {}

    /**
     * Returns the heat map as an SVG document.
     *
     * @param rows the texts, all scored by the same model
     * @throws EvalException if the model is dense
     */
    public static String svg(List<Row> rows) {
        List<Score.ExpertLoad> first =
                rows.isEmpty() ? List.of() : rows.getFirst().layers();
        if (first.isEmpty()) {
            throw new EvalException("a dense model has no expert load to draw; leave the figure out");
        }
        int experts = first.getFirst().load().length;
        int panel = TITLE + rows.size() * CELL + MARGIN;
        int width = Math.max(MIN_WIDTH, LABEL + experts * CELL + 2 * MARGIN);
        int height = LEGEND + first.size() * panel + 2 * MARGIN;
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
                        + " font-family=\"sans-serif\" font-size=\"11\">%n",
                width,
                height,
                width,
                height));
        svg.append("<title>Which experts serve which text</title>\n");
        svg.append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        text(
                svg,
                MARGIN,
                MARGIN + 10,
                "White: an even share. Red: more, up to 8 times. Blue: less, down to an eighth.");
        for (int layer = 0; layer < first.size(); layer++) {
            int top = LEGEND + MARGIN + layer * panel;
            text(
                    svg,
                    MARGIN,
                    top + TITLE - 10,
                    "Layer " + first.get(layer).layer() + ": each expert's load as a multiple of an even share");
            for (int row = 0; row < rows.size(); row++) {
                int y = top + TITLE + row * CELL;
                text(svg, MARGIN, y + CELL - 3, shortened(rows.get(row).name()));
                double[] load = rows.get(row).layers().get(layer).load();
                for (int expert = 0; expert < load.length; expert++) {
                    svg.append(String.format(
                            Locale.ROOT,
                            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\" stroke=\"#ddd\">"
                                    + "<title>%s, expert %d: %.2f</title></rect>%n",
                            LABEL + MARGIN + expert * CELL,
                            y,
                            CELL,
                            CELL,
                            colour(load[expert]),
                            HtmlEscaper.escape(rows.get(row).name()),
                            expert,
                            load[expert]));
                }
            }
        }
        return svg.append("</svg>\n").toString();
    }

    private static void text(StringBuilder svg, int x, int y, String text) {
        svg.append(String.format(Locale.ROOT, "<text x=\"%d\" y=\"%d\">%s</text>%n", x, y, HtmlEscaper.escape(text)));
    }

    private static String shortened(String name) {
        return name.length() > 24 ? name.substring(0, 23) + "…" : name;
    }

    private static String colour(double load) {
        double octaves = load == 0 ? -OCTAVES : Math.log(load) / Math.log(2);
        double strength = Math.clamp(octaves / OCTAVES, -1, 1);
        int pale = (int) Math.round(255 * (1 - Math.abs(strength)));
        return strength < 0 ? String.format("#%02x%02xff", pale, pale) : String.format("#ff%02x%02x", pale, pale);
    }
}
