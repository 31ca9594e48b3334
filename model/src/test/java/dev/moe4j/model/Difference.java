package dev.moe4j.model;

/** How far two tensors are apart. */
final class Difference {

    private Difference() {}

    /** ‖a − b‖ / ‖b‖, 0 where both are equal. */
    static double relative(double[] a, double[] b) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < b.length; i++) {
            difference += (a[i] - b[i]) * (a[i] - b[i]);
            norm += b[i] * b[i];
        }
        return difference == 0 ? 0 : Math.sqrt(difference / norm);
    }
}
