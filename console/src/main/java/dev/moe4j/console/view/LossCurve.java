package dev.moe4j.console.view;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A loss curve for the terminal, drawn with braille dots, two by four per character. It keeps at most
 * {@value #MAX_MEANS} means, each over the same number of steps, for runs of any length.
 */
public final class LossCurve {
    private static final int MAX_MEANS = 1024;
    private static final int LABEL = 8;

    /** Bits of the dots in a braille code point, from top to bottom: left column, right column. */
    private static final int[][] DOTS = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

    private static final int EMPTY = 0x2800;

    private final double[] means = new double[MAX_MEANS];
    private int size;
    private int stepsPerMean = 1;
    private double sum;
    private int steps;

    /** Adds the loss of a step. Values that are not finite are ignored. */
    public void add(double loss) {
        if (!Double.isFinite(loss)) {
            return;
        }
        sum += loss;
        steps++;
        if (steps < stepsPerMean) {
            return;
        }
        if (size == MAX_MEANS) {
            size /= 2;
            Arrays.setAll(means, i -> i < size ? (means[2 * i] + means[2 * i + 1]) / 2 : 0);
            stepsPerMean *= 2;
            return; // the current mean needs twice as many steps now
        }
        means[size] = sum / steps;
        size++;
        sum = 0;
        steps = 0;
    }

    /**
     * Returns the curve as {@code rows} lines of at most {@code columns} characters, labelled with its highest and
     * lowest value.
     */
    public List<String> lines(int columns, int rows) {
        int width = columns - LABEL - 1;
        if (size == 0 || width < 1) {
            return List.of();
        }
        double[] points = points(Math.min(size, 2 * width));
        double low = Arrays.stream(points).min().orElseThrow();
        double high = Arrays.stream(points).max().orElseThrow();
        int[][] cells = new int[rows][(points.length + 1) / 2];
        int last = -1;
        for (int x = 0; x < points.length; x++) {
            int y = high == low ? 0 : (int) Math.round((high - points[x]) / (high - low) * (4 * rows - 1));
            // Connect to the previous point, so that a steep fall is a line too.
            for (int dot = last < 0 ? y : last + Integer.signum(y - last); ; dot += Integer.signum(y - dot)) {
                cells[dot / 4][x / 2] |= DOTS[x % 2][dot % 4];
                if (dot == y) {
                    break;
                }
            }
            last = y;
        }
        List<String> lines = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            StringBuilder line = new StringBuilder();
            String label = row == 0 ? label(high) : row == rows - 1 ? label(low) : "";
            line.append(" ".repeat(Math.max(0, LABEL - label.length())))
                    .append(label)
                    .append(' ');
            for (int cell : cells[row]) {
                line.append((char) (EMPTY + cell));
            }
            lines.add(line.toString());
        }
        return lines;
    }

    /** Averages the kept means to {@code count} points, in order. */
    private double[] points(int count) {
        double[] points = new double[count];
        for (int i = 0; i < count; i++) {
            int from = (int) ((long) i * size / count);
            int to = (int) ((long) (i + 1) * size / count);
            points[i] = Arrays.stream(means, from, to).average().orElseThrow();
        }
        return points;
    }

    private static String label(double loss) {
        String text = String.format(Locale.ROOT, "%.3f", loss);
        return text.length() <= LABEL ? text : String.format(Locale.ROOT, "%.1e", loss);
    }
}
