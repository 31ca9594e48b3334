package dev.moe4j.text.source;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Counts the files and records that were skipped, by reason, and keeps the names of the first few. */
public final class Skipped {
    private static final int NAMED = 3;

    private final Map<Reason, Long> counts = new EnumMap<>(Reason.class);
    private final Map<Reason, List<String>> names = new EnumMap<>(Reason.class);

    /** Creates an empty count. */
    public Skipped() {}

    /** The reason for skipping a file or a record. */
    public enum Reason {
        /** The file has a NUL byte. */
        BINARY("binary"),
        /** The file or record is not valid UTF-8. */
        INVALID_UTF8("invalid UTF-8"),
        /** The file or record has no text. */
        EMPTY("empty"),
        /**
         * An archive inside a folder or another archive, or a Parquet file inside an archive. Only archives that the user
         * names as inputs are read.
         */
        ARCHIVE("archive inside another input"),
        /** A link whose target does not exist. */
        BROKEN_LINK("broken link"),
        /** A link to a folder that contains the link. */
        LINK_LOOP("loop of links"),
        /** A pipe, a device or the like. */
        SPECIAL("not a regular file"),
        /** A file or folder without read permission, or a file in an unsupported encoding. */
        UNREADABLE("unreadable"),
        /** A file that is truncated or inconsistent, or the rest of such a file. */
        DAMAGED("damaged"),
        /** A document, a line or an archive beyond a limit. */
        TOO_LONG("too large"),
        /** A record that violates its format. */
        MALFORMED("malformed record"),
        /** A record without the text field, or with a field that is not text. */
        NO_FIELD("record without the field"),
        /** A document that the {@link DocumentFilter} drops. */
        NOT_SELECTED("document not selected");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    /** Counts one skipped file or record. {@code what} names it. */
    public void add(Reason reason, String what) {
        counts.merge(reason, 1L, Long::sum);
        List<String> named = names.computeIfAbsent(reason, _ -> new ArrayList<>());
        if (named.size() < NAMED) {
            named.add(what);
        }
    }

    /** Adds the counts and names of another instance. */
    public void add(Skipped other) {
        other.counts.forEach((reason, count) -> counts.merge(reason, count, Long::sum));
        other.names.forEach((reason, more) -> {
            List<String> named = names.computeIfAbsent(reason, _ -> new ArrayList<>());
            named.addAll(more.subList(0, Math.min(more.size(), NAMED - named.size())));
        });
    }

    /** Returns the count of each reason; reasons with a count of zero are absent. */
    public Map<Reason, Long> counts() {
        return Collections.unmodifiableMap(counts);
    }

    /** Returns the count over all reasons. */
    public long total() {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Creates an instance from counts by the lower-case names of the reasons, as in a manifest. */
    public static Skipped byName(Map<String, Long> counts) {
        Skipped skipped = new Skipped();
        counts.forEach((name, count) -> skipped.counts.put(Reason.valueOf(name.toUpperCase(Locale.ROOT)), count));
        return skipped;
    }

    /** Returns the counts by the lower-case names of the reasons, as in a manifest. */
    public Map<String, Long> byName() {
        Map<String, Long> byName = new TreeMap<>();
        counts.forEach((reason, count) -> byName.put(reason.name().toLowerCase(Locale.ROOT), count));
        return byName;
    }

    /** Returns one line, as in {@code 2 binary (a.png, b.png); 1 empty (c.txt)}, or "nothing". */
    @Override
    public String toString() {
        if (counts.isEmpty()) {
            return "nothing";
        }
        return counts.entrySet().stream()
                .map(e -> {
                    List<String> named = names.getOrDefault(e.getKey(), List.of());
                    String more = e.getValue() > named.size() ? ", …" : "";
                    String where = named.isEmpty() ? "" : " (" + String.join(", ", named) + more + ")";
                    return e.getValue() + " " + e.getKey().words() + where;
                })
                .collect(Collectors.joining("; "));
    }
}
