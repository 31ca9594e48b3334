package dev.moe4j.study;

/** Student's t distribution, also for degrees of freedom that are not whole. */
final class StudentT {

    /** Beyond these the distribution is the normal one to seven digits. */
    private static final double MOST_DEGREES = 1e7;

    private static final double[] LANCZOS = {
        0.9999999999998099,
        676.5203681218851,
        -1259.1392167224028,
        771.3234287776531,
        -176.6150291621406,
        12.507343278686905,
        -0.13857109526572012,
        9.984369578019572e-6,
        1.5056327351493116e-7
    };

    private StudentT() {}

    /**
     * The value that a variable's magnitude stays below with the given probability.
     *
     * @param probability above 0 and below 1, such as 0.95 for a 95 % interval
     * @param degrees of freedom, at least 1; may be infinite
     */
    static double quantile(double probability, double degrees) {
        if (!(probability > 0 && probability < 1 && degrees >= 1)) {
            throw new IllegalArgumentException(
                    "No quantile for probability " + probability + " and " + degrees + " degrees of freedom");
        }
        double df = Math.min(degrees, MOST_DEGREES);
        double low = 0;
        double high = 1;
        while (outside(high, df) > 1 - probability) {
            high *= 2;
        }
        while (high - low > 1e-12 * high) {
            double middle = (low + high) / 2;
            if (middle == low || middle == high) {
                break;
            }
            if (outside(middle, df) > 1 - probability) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    /** The probability of a magnitude above {@code t}: the regularized incomplete beta function. */
    static double outside(double t, double degrees) {
        double a = degrees / 2;
        double b = 0.5;
        double x = degrees / (degrees + t * t);
        double y = t * t / (degrees + t * t);
        if (x == 1) {
            return 1;
        }
        double front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log1p(-y) + b * Math.log(y));
        return x < (a + 1) / (a + b + 2) ? front * fraction(a, b, x) / a : 1 - front * fraction(b, a, y) / b;
    }

    /** The continued fraction of the incomplete beta function, by Lentz's method (Abramowitz and Stegun 26.5.8). */
    private static double fraction(double a, double b, double x) {
        double c = 1;
        double d = 1 / (1 - (a + b) * x / (a + 1));
        double result = d;
        for (int m = 1; m < 10_000; m++) {
            double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            d = 1 / (1 + even * d);
            c = 1 + even / c;
            result *= d * c;
            double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            d = 1 / (1 + odd * d);
            c = 1 + odd / c;
            result *= d * c;
            if (Math.abs(d * c - 1) < 1e-15) {
                break;
            }
        }
        return result;
    }

    /** The logarithm of the gamma function for arguments from 0.5 on, by Lanczos's approximation. */
    private static double logGamma(double x) {
        double sum = LANCZOS[0];
        for (int i = 1; i < LANCZOS.length; i++) {
            sum += LANCZOS[i] / (x - 1 + i);
        }
        double base = x + 6.5;
        return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum);
    }
}
