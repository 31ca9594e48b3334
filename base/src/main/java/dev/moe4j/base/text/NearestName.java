package dev.moe4j.base.text;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Finds names similar to an unknown name, for suggestions in error messages. */
public final class NearestName {

    private NearestName() {}

    /**
     * The names closest to {@code wanted} by edit distance, nearest first; equally near names keep the order of {@code names}.
     * Names that differ in half of their characters or more are excluded.
     */
    public static List<String> names(String wanted, Collection<String> names, int limit) {
        record Candidate(String name, int distance) {}
        return names.stream()
                .map(name -> new Candidate(name, distance(wanted, name)))
                .filter(candidate -> candidate.distance * 2 < Math.max(wanted.length(), candidate.name.length()))
                .sorted(Comparator.comparingInt(Candidate::distance))
                .limit(limit)
                .map(Candidate::name)
                .toList();
    }

    /** The edit distance: insertions, deletions, replacements and swaps of adjacent characters from {@code a} to {@code b}. */
    public static int distance(String a, String b) {
        int[] beforeLast = new int[b.length() + 1];
        int[] last = new int[b.length() + 1];
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            last[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = last[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                row[j] = Math.min(replaced, 1 + Math.min(last[j], row[j - 1]));
                if (i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1)) {
                    row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
                }
            }
            int[] free = beforeLast;
            beforeLast = last;
            last = row;
            row = free;
        }
        return last[b.length()];
    }
}
