package dev.moe4j.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StudentTTest {

    /** From the usual tables. */
    @ParameterizedTest
    @CsvSource({
        "1, 12.7062",
        "2, 4.30265",
        "3, 3.18245",
        "4, 2.77645",
        "7, 2.36462",
        "10, 2.22814",
        "30, 2.04227",
        "120, 1.97993",
        "1e6, 1.95997",
        "Infinity, 1.95996"
    })
    void givesTheTables(double degrees, double quantile) {
        assertThat(StudentT.quantile(0.95, degrees)).isCloseTo(quantile, within(1e-5 * quantile));
    }

    /** The density integrated by Simpson's rule: sqrt(ν) tan θ has the density cos^(ν−1) θ. */
    @ParameterizedTest
    @CsvSource({"1.3", "2.5", "3.7", "12.25"})
    void holdsForDegreesThatAreNotWhole(double degrees) {
        double quantile = StudentT.quantile(0.95, degrees);
        double angle = Math.atan(quantile / Math.sqrt(degrees));
        assertThat(integral(degrees, angle) / integral(degrees, Math.PI / 2)).isCloseTo(0.95, within(1e-6));
    }

    private static double integral(double degrees, double to) {
        int parts = 2_000_000;
        double sum = 0;
        for (int i = 0; i <= parts; i++) {
            double weight = i == 0 || i == parts ? 1 : i % 2 == 1 ? 4 : 2;
            sum += weight * Math.pow(Math.max(0, Math.cos(to * i / parts)), degrees - 1);
        }
        return sum * to / parts / 3;
    }

    @Test
    void refusesWhatHasNoQuantile() {
        assertThatThrownBy(() -> StudentT.quantile(0.95, 0.5)).hasMessageContaining("0.5 degrees");
        assertThatThrownBy(() -> StudentT.quantile(1, 3)).hasMessageContaining("probability 1");
    }
}
