package dev.moe4j.base.text;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Numbers for people: as many digits as mean something, the same in every locale. */
public final class Numbers {
    private static final String[] PREFIXES = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};

    private Numbers() {}

    /** Rounded to {@code digits} significant digits, in plain notation. */
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

    /** Rounded to {@code decimals} places after the point. */
    public static String fixed(double value, int decimals) {
        return Double.isFinite(value)
                ? new BigDecimal(value)
                        .setScale(decimals, RoundingMode.HALF_EVEN)
                        .toPlainString()
                : String.valueOf(value);
    }

    /** Three significant digits, a space and the decimal prefix, to be followed by a unit: {@code 35.9 T}. */
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
