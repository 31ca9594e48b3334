package dev.moe4j.parallel.layout;

import java.util.Arrays;
import java.util.List;
import java.util.function.LongUnaryOperator;
import java.util.stream.Stream;

/**
 * How the rows of an uneven exchange are divided, agreed on by both sides of each pair before any row is sent: sizes that
 * differ would end the process. {@code ProcessGroup.agree} makes it.
 *
 * @param sent {@code [members][kinds]}: rows of each kind, such as those for one expert, that go to each member
 * @param received {@code [members][kinds]}: rows of each kind that come from each member
 * @param rowBytes bytes of a row on the wire
 */
public record Splits(long[][] sent, long[][] received, long rowBytes) {

    /** The way back: what came goes, and what went comes. */
    public Splits reversed() {
        return new Splits(received, sent, rowBytes);
    }

    /**
     * Two exchanges that together are this one: the first half of each kind's rows, rounded up, and the rest. Both sides
     * divide alike, so that nothing need be agreed on.
     */
    public List<Splits> halves() {
        return Stream.<LongUnaryOperator>of(rows -> Math.ceilDiv(rows, 2), rows -> rows / 2)
                .map(part -> new Splits(each(sent, part), each(received, part), rowBytes))
                .toList();
    }

    private static long[][] each(long[][] rows, LongUnaryOperator part) {
        return Arrays.stream(rows)
                .map(kinds -> Arrays.stream(kinds).map(part).toArray())
                .toArray(long[][]::new);
    }

    /** Rows that go to each member, in the order of members. */
    public long[] rowsSent() {
        return sums(sent);
    }

    /** Rows that come from each member, in the order of members. */
    public long[] rowsReceived() {
        return sums(received);
    }

    /** All rows that go. */
    public long totalSent() {
        return Arrays.stream(rowsSent()).sum();
    }

    /** All rows that come. */
    public long totalReceived() {
        return Arrays.stream(rowsReceived()).sum();
    }

    private static long[] sums(long[][] rows) {
        return Arrays.stream(rows)
                .mapToLong(kinds -> Arrays.stream(kinds).sum())
                .toArray();
    }
}
