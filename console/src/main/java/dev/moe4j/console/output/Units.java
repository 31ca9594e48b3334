package dev.moe4j.console.output;

import java.util.Locale;

/** Amounts formatted for people: four significant digits and a unit that suits the size. */
public final class Units {

    private static final String[] PREFIXES = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
    private static final double THOUSAND = 1000;
    private static final double KIBI = 1024;

    private Units() {}

    /** A value and its unit; {@link #toString} rounds to four significant digits. */
    public record Amount(double value, String unit) {

        @Override
        public String toString() {
            return number(value) + " " + unit;
        }
    }

    public static Amount flops(double operations) {
        return prefixed(operations, THOUSAND, "", "FLOPs");
    }

    public static Amount bytes(long bytes) {
        double amount = (double) bytes;
        return amount < KIBI ? new Amount(amount, "bytes") : prefixed(amount, KIBI, "i", "B");
    }

    public static Amount duration(double seconds) {
        if (seconds < 1) {
            return new Amount(seconds * 1000, "ms");
        }
        if (seconds < 120) {
            return new Amount(seconds, "seconds");
        }
        if (seconds < 2 * 3600) {
            return new Amount(seconds / 60, "minutes");
        }
        return seconds < 2 * 86_400 ? new Amount(seconds / 3600, "hours") : new Amount(seconds / 86_400, "days");
    }

    public static Amount energy(double kilowattHours) {
        return prefixed(1000 * kilowattHours, THOUSAND, "", "Wh");
    }

    public static Amount mass(double kilograms) {
        if (kilograms < 1) {
            return new Amount(1000 * kilograms, "g");
        }
        return kilograms < 1000 ? new Amount(kilograms, "kg") : new Amount(kilograms / 1000, "t");
    }

    private static Amount prefixed(double amount, double step, String mark, String unit) {
        double scaled = amount;
        int prefix = 0;
        while (scaled >= step && prefix < PREFIXES.length - 1) {
            scaled /= step;
            prefix++;
        }
        String letter = step == KIBI ? PREFIXES[prefix].toUpperCase(Locale.ROOT) : PREFIXES[prefix];
        return new Amount(scaled, letter + (prefix == 0 ? "" : mark) + unit);
    }

    /** Formats four significant digits; integer digits are never rounded away. */
    private static String number(double value) {
        if (value == 0) {
            return "0";
        }
        int whole = value < 1 ? 1 : (int) Math.floor(Math.log10(value)) + 1;
        return String.format("%,." + Math.max(0, 4 - whole) + "f", value);
    }
}
