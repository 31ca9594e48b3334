package dev.moe4j.model;

/** Norms of the difference of two tensors. */
public final class Difference {

    private Difference() {}

    /** ‖a − b‖ / ‖b‖; 0 if both are equal. */
    public static double relative(double[] a, double[] b) {
        double difference = norm(a, b);
        return difference == 0 ? 0 : difference / norm(b, new double[b.length]);
    }

    /** ‖a − b‖. */
    public static double norm(double[] a, double[] b) {
        double squares = 0;
        for (int i = 0; i < b.length; i++) {
            squares += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(squares);
    }
}
