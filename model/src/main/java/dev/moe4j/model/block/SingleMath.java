package dev.moe4j.model.block;

/**
 * Exponential, sine and cosine in single precision, with the exact sequence of operations that computed the published
 * system's position table. These are SLEEF's functions of 1.0 ulp with fused multiply-add (Shibata and Petrogalli 2020,
 * "SLEEF: A Portable Vectorized Library of C Standard Mathematical Functions"), with SLEEF's coefficients. Their
 * results are not always the nearest floats, and libtorch's results vary by release and processor, so neither can
 * replace this class.
 */
final class SingleMath {

    /** The angle in radians from which SLEEF uses a more precise reduction. */
    static final float LARGE_ANGLE = 125f;

    private static final float LOG2_E = 1.442695f;
    private static final float LN2_HIGH = 0.69314575f;
    private static final float LN2_LOW = 1.4286068e-6f;

    private static final float ONE_OVER_PI = (float) (1 / Math.PI);
    private static final float PI_HIGH = 3.1414795f;
    private static final float PI_MIDDLE = 1.1315942e-4f;
    private static final float PI_LOW = 1.9841873e-9f;

    private SingleMath() {}

    static float exp(float x) {
        float power = (float) Math.rint(x * LOG2_E);
        float s = Math.fma(power, -LN2_HIGH, x);
        s = Math.fma(power, -LN2_LOW, s);
        float u = 1.9852762e-4f;
        u = Math.fma(u, s, 0.0013930436f);
        u = Math.fma(u, s, 0.008333361f);
        u = Math.fma(u, s, 0.041666485f);
        u = Math.fma(u, s, 0.16666667f);
        u = Math.fma(u, s, 0.5f);
        u = 1 + Math.fma(s * s, u, s);
        return Math.scalb(u, (int) power);
    }

    /**
     * The sine of an angle ≥ 0.
     *
     * @param precise whether the more precise reduction is used
     */
    static float sin(float angle, boolean precise) {
        if (precise) {
            double halfTurns = Math.rint(angle / Math.PI);
            return sinReduced(Sum.of(angle - halfTurns * Math.PI), odd(halfTurns));
        }
        float halfTurns = (float) Math.rint(angle * ONE_OVER_PI);
        Sum s = Sum.of(Math.fma(halfTurns, -PI_HIGH, angle), halfTurns * -PI_MIDDLE)
                .plusSmaller(halfTurns * -PI_LOW);
        return sinReduced(s, odd(halfTurns));
    }

    /**
     * The cosine of an angle ≥ 0, as the sine of the distance from an odd number of quarter turns.
     *
     * @param precise whether the more precise reduction is used
     */
    static float cos(float angle, boolean precise) {
        if (precise) {
            double quarterTurns = 2 * Math.rint(angle / Math.PI - 0.5) + 1;
            return sinReduced(Sum.of(angle - quarterTurns * (Math.PI / 2)), evenPairs(quarterTurns));
        }
        float quarterTurns = Math.fma((float) Math.rint(Math.fma(angle, ONE_OVER_PI, -0.5f)), 2, 1);
        Sum s = Sum.of(angle, quarterTurns * (-PI_HIGH * 0.5f))
                .plus(quarterTurns * (-PI_MIDDLE * 0.5f))
                .plus(quarterTurns * (-PI_LOW * 0.5f));
        return sinReduced(s, evenPairs(quarterTurns));
    }

    private static boolean odd(double halfTurns) {
        return ((long) halfTurns & 1) != 0;
    }

    private static boolean evenPairs(double quarterTurns) {
        return ((long) quarterTurns & 2) == 0;
    }

    /** x·(1 + x²·(c₃ + x²·(c₅ + …))) for |x| ≤ π/2. */
    private static float sinReduced(Sum x, boolean negative) {
        Sum square = x.square();
        float u = 2.608316e-6f;
        u = Math.fma(u, square.high, -1.981069e-4f);
        u = Math.fma(u, square.high, 0.008333079f);
        Sum factor = Sum.ofOrdered(-0.1666666f, u * square.high).times(square).addedTo(1);
        float sine = x.product(factor);
        return negative ? -sine : sine;
    }

    /** An unevaluated sum of two floats, the second one small, for 48 bits of precision. */
    private record Sum(float high, float low) {

        static Sum of(double value) {
            float high = (float) value;
            return new Sum(high, (float) (value - high));
        }

        /** The exact sum a + b. */
        static Sum of(float a, float b) {
            float high = a + b;
            float part = high - a;
            return new Sum(high, (a - (high - part)) + (b - part));
        }

        /** The exact sum a + b for |a| ≥ |b|. */
        static Sum ofOrdered(float a, float b) {
            float high = a + b;
            return new Sum(high, (a - high) + b);
        }

        Sum plus(float b) {
            Sum sum = of(high, b);
            return new Sum(sum.high, sum.low + low);
        }

        Sum plusSmaller(float b) {
            float sum = high + b;
            return new Sum(sum, ((high - sum) + b) + low);
        }

        Sum addedTo(float a) {
            float sum = a + high;
            return new Sum(sum, ((a - sum) + high) + low);
        }

        Sum square() {
            float sum = high * high;
            return new Sum(sum, Math.fma(high + high, low, Math.fma(high, high, -sum)));
        }

        Sum times(Sum other) {
            float sum = high * other.high;
            return new Sum(sum, Math.fma(high, other.low, Math.fma(low, other.high, Math.fma(high, other.high, -sum))));
        }

        float product(Sum other) {
            return Math.fma(high, other.high, Math.fma(low, other.high, high * other.low));
        }
    }
}
