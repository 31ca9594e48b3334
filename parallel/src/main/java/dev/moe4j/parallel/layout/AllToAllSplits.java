package dev.moe4j.parallel.layout;

import java.util.Arrays;
import java.util.List;
import java.util.function.LongUnaryOperator;
import java.util.stream.Stream;

/**
 * The row counts of an uneven all-to-all. {@code ProcessGroup.agree} exchanges them before any row is sent, because
 * libtorch ends the process if sender and receiver disagree on a size.
 *
 * @param sent {@code [members][kinds]}: how many rows of each kind, such as an expert, go to each member
 * @param received {@code [members][kinds]}: how many rows of each kind come from each member
 * @param rowBytes the bytes of a row in the wire type
 */
public record AllToAllSplits(long[][] sent, long[][] received, long rowBytes) {

    /** Returns the counts of the return trip: every member sends back the rows that it received. */
    public AllToAllSplits reversed() {
        return new AllToAllSplits(received, sent, rowBytes);
    }

    /**
     * Divides the all-to-all into two: the first half of each kind's rows, rounded up, and the rest. All members divide
     * their rows in the same way, so the halves need no further communication of counts.
     */
    public List<AllToAllSplits> halves() {
        return Stream.<LongUnaryOperator>of(rows -> Math.ceilDiv(rows, 2), rows -> rows / 2)
                .map(part -> new AllToAllSplits(each(sent, part), each(received, part), rowBytes))
                .toList();
    }

    private static long[][] each(long[][] rows, LongUnaryOperator part) {
        return Arrays.stream(rows)
                .map(kinds -> Arrays.stream(kinds).map(part).toArray())
                .toArray(long[][]::new);
    }

    /** Returns the number of rows that go to each member, in member order. */
    public long[] rowsSent() {
        return sums(sent);
    }

    /** Returns the number of rows that come from each member, in member order. */
    public long[] rowsReceived() {
        return sums(received);
    }

    /** Returns the number of rows that go to all members together. */
    public long totalSent() {
        return Arrays.stream(rowsSent()).sum();
    }

    /** Returns the number of rows that come from all members together. */
    public long totalReceived() {
        return Arrays.stream(rowsReceived()).sum();
    }

    private static long[] sums(long[][] rows) {
        return Arrays.stream(rows)
                .mapToLong(kinds -> Arrays.stream(kinds).sum())
                .toArray();
    }
}
