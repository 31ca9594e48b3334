package dev.moe4j.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Files that were left out, counted by reason, the first few by name. */
public final class Skipped {
    private static final int NAMED = 3;

    private final Map<Reason, Long> counts = new EnumMap<>(Reason.class);
    private final Map<Reason, List<String>> names = new EnumMap<>(Reason.class);

    Skipped() {}

    Skipped(Skipped other) {
        counts.putAll(other.counts);
        other.names.forEach((reason, named) -> names.put(reason, new ArrayList<>(named)));
    }

    /** Why a file was left out. */
    public enum Reason {
        /** It has a NUL byte. */
        BINARY("binary"),
        /** It is no UTF-8. */
        INVALID_UTF8("invalid UTF-8"),
        /** It has no text. */
        EMPTY("empty"),
        /** It is an archive in a folder; archives are read if named as an input. */
        ARCHIVE("archive inside a folder"),
        /** A link whose target does not exist. */
        BROKEN_LINK("broken link"),
        /** A link to a folder that it is in. */
        LINK_LOOP("loop of links"),
        /** A pipe, a device or the like. */
        SPECIAL("not a regular file");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    void add(Reason reason, TextFile file) {
        counts.merge(reason, 1L, Long::sum);
        List<String> named = names.computeIfAbsent(reason, _ -> new ArrayList<>());
        if (named.size() < NAMED) {
            named.add(file.toString());
        }
    }

    /** How many files were left out for each reason; reasons without any are absent. */
    public Map<Reason, Long> counts() {
        return Collections.unmodifiableMap(counts);
    }

    /** How many files were left out. */
    public long total() {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    Map<String, Long> byName() {
        Map<String, Long> byName = new TreeMap<>();
        counts.forEach((reason, count) -> byName.put(reason.name().toLowerCase(Locale.ROOT), count));
        return byName;
    }

    /** One line, as in {@code 2 binary (a.png, b.png); 1 empty (c.txt)}; "nothing" if nothing was left out. */
    @Override
    public String toString() {
        if (counts.isEmpty()) {
            return "nothing";
        }
        return counts.entrySet().stream()
                .map(e -> {
                    List<String> named = names.getOrDefault(e.getKey(), List.of());
                    String more = e.getValue() > named.size() ? ", …" : "";
                    return e.getValue() + " " + e.getKey().words() + " (" + String.join(", ", named) + more + ")";
                })
                .collect(Collectors.joining("; "));
    }
}
