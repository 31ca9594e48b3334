package dev.moe4j.text.source;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Files and records that were left out, counted by reason, the first few by name. */
public final class Skipped {
    private static final int NAMED = 3;

    private final Map<Reason, Long> counts = new EnumMap<>(Reason.class);
    private final Map<Reason, List<String>> names = new EnumMap<>(Reason.class);

    public Skipped() {}

    /** Why a file or a record was left out. */
    public enum Reason {
        /** It has a NUL byte. */
        BINARY("binary"),
        /** It is no UTF-8. */
        INVALID_UTF8("invalid UTF-8"),
        /** It has no text. */
        EMPTY("empty"),
        /** An archive in a folder, which is read if named as an input; or one, or Parquet, inside an archive. */
        ARCHIVE("archive inside another input"),
        /** A link whose target does not exist. */
        BROKEN_LINK("broken link"),
        /** A link to a folder that it is in. */
        LINK_LOOP("loop of links"),
        /** A pipe, a device or the like. */
        SPECIAL("not a regular file"),
        /** A file or a folder that does not let itself be read. */
        UNREADABLE("unreadable"),
        /** A file that is cut short or contradicts itself, or what is left of one. */
        DAMAGED("damaged"),
        /** A document, a line or an archive beyond a limit. */
        TOO_LONG("too large"),
        /** A record that is not written as its format wants. */
        MALFORMED("malformed record"),
        /** A record that has not the field, or no text in it. */
        NO_FIELD("record without the field"),
        /** A document that a {@code Selection} leaves out. */
        NOT_SELECTED("document not selected");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    public void add(Reason reason, String what) {
        counts.merge(reason, 1L, Long::sum);
        List<String> named = names.computeIfAbsent(reason, _ -> new ArrayList<>());
        if (named.size() < NAMED) {
            named.add(what);
        }
    }

    public void add(Skipped other) {
        other.counts.forEach((reason, count) -> counts.merge(reason, count, Long::sum));
        other.names.forEach((reason, more) -> {
            List<String> named = names.computeIfAbsent(reason, _ -> new ArrayList<>());
            named.addAll(more.subList(0, Math.min(more.size(), NAMED - named.size())));
        });
    }

    /** How many were left out for each reason; reasons without any are absent. */
    public Map<Reason, Long> counts() {
        return Collections.unmodifiableMap(counts);
    }

    /** How many were left out. */
    public long total() {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    public static Skipped byName(Map<String, Long> counts) {
        Skipped skipped = new Skipped();
        counts.forEach((name, count) -> skipped.counts.put(Reason.valueOf(name.toUpperCase(Locale.ROOT)), count));
        return skipped;
    }

    public Map<String, Long> byName() {
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
                    String where = named.isEmpty() ? "" : " (" + String.join(", ", named) + more + ")";
                    return e.getValue() + " " + e.getKey().words() + where;
                })
                .collect(Collectors.joining("; "));
    }
}
