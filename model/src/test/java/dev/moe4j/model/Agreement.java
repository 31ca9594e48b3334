package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Tensor;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;

/**
 * Compares results in one precision with golden tensors, by ‖a − b‖ / ‖b‖ over each tensor. The bound is 2e-5 for
 * float32 vectors, and 1e-9 if the vector was evaluated in float64 and the run is in float64. Remembers the largest
 * difference of each family.
 */
public final class Agreement {

    static final double FLOAT32 = 2e-5;
    static final double FLOAT64 = 1e-9;

    private static final Map<String, Double> WORST = new TreeMap<>();

    private final Golden.Case golden;
    private final boolean wide;

    public Agreement(Golden.Case golden, Precision precision) {
        this.golden = golden;
        this.wide = precision.equals(Precision.FP64);
    }

    /** Compares with the golden tensor of this name. */
    public void check(String name, Tensor actual) {
        check(name, actual.toDoubles());
    }

    public void check(String name, double... actual) {
        String stored = stored(name);
        within(stored, actual, golden.tensors().doubles(stored));
    }

    /**
     * Checks a tensor that is zero in exact arithmetic, for which the published system stored rounding noise.
     *
     * @param bound the bound on each element's magnitude
     */
    void checkZero(String name, Tensor actual, double bound) {
        for (double element : actual.toDoubles()) {
            assertThat(Math.abs(element)).as(name).isLessThan(bound);
        }
    }

    private void within(String name, double[] actual, double[] expected) {
        assertThat(actual).as(name).hasSameSizeAs(expected);
        double relative = Difference.relative(actual, expected);
        boolean isWide = name.endsWith(".f64");
        synchronized (WORST) {
            WORST.merge(golden.family() + (isWide ? " float64" : " float32"), relative, Math::max);
        }
        assertThat(relative).as(name).isLessThanOrEqualTo(isWide ? FLOAT64 : FLOAT32);
    }

    /** Compares with a number that the published system logged in float32. */
    static void logged(String name, double actual, JsonNode expected) {
        double wanted = expected.asDouble();
        assertThat(actual)
                .as(name)
                .isCloseTo(wanted, org.assertj.core.api.Assertions.within(1e-5 * (1 + Math.abs(wanted))));
    }

    private String stored(String name) {
        return wide && golden.tensors().has(name + ".f64") ? name + ".f64" : name;
    }

    /** The largest differences of a family, for the test's output. */
    static void print(String family) {
        synchronized (WORST) {
            WORST.forEach((key, worst) -> {
                if (key.startsWith(family + " ")) {
                    System.out.printf(Locale.ROOT, "largest difference, %s: %.1e%n", key, worst);
                }
            });
        }
    }
}
