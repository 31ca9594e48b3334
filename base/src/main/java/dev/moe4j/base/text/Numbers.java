package dev.moe4j.base.text;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Formats numbers for people, independent of the locale. */
public final class Numbers {
    private static final String[] PREFIXES = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};

    private Numbers() {}

    /** Rounds to {@code digits} significant digits, without an exponent. */
    public static String significant(double value, int digits) {
        if (!Double.isFinite(value)) {
            return String.valueOf(value);
        }
        if (value == 0) {
            return "0";
        }
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(digits, RoundingMode.HALF_EVEN));
        int integerDigits = rounded.precision() - rounded.scale();
        return rounded.setScale(Math.max(0, digits - integerDigits), RoundingMode.HALF_EVEN)
                .toPlainString();
    }

    /** Rounds to {@code decimals} decimal places. */
    public static String fixed(double value, int decimals) {
        return Double.isFinite(value)
                ? new BigDecimal(value)
                        .setScale(decimals, RoundingMode.HALF_EVEN)
                        .toPlainString()
                : String.valueOf(value);
    }

    /** Formats three significant digits, a space and an SI prefix, such as {@code 35.9 T}. The caller appends the unit. */
    public static String si(double value) {
        int prefix = 0;
        double scaled = value;
        while (Math.abs(scaled) >= 999.5 && prefix < PREFIXES.length - 1) {
            scaled /= 1000;
            prefix++;
        }
        return significant(scaled, 3) + " " + PREFIXES[prefix];
    }
}
