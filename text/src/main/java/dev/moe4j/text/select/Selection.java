package dev.moe4j.text.select;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.json.Json;
import dev.moe4j.base.primitive.LongList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.DocumentFilter;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.ReadOptions;
import dev.moe4j.text.source.TextFile;
import dev.moe4j.text.source.TextInput;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * A filter that drops the documents in a selection file, which a {@link Selector} has written (docs/data-quality.md). It
 * takes 8 bytes of memory per dropped document.
 */
public final class Selection implements DocumentFilter {
    static final String FORMAT = "moe4j-selection";
    /** Version 2 added the archive's path to the paths of files in archives that a pattern matches. */
    static final int VERSION = 2;

    private final String file;
    private final String hash;
    private final String input;
    private final Map<TextFile, long[]> dropped;

    private Selection(String file, String hash, String input, Map<TextFile, long[]> dropped) {
        this.file = file;
        this.hash = hash;
        this.input = input;
        this.dropped = dropped;
    }

    /** The first line of the file. {@code input} is the hash that {@link #check} compares. */
    record Header(String format, int version, String input, Selector.Options options) {}

    /** The line of one dropped document. {@code original} is null unless the document is a duplicate. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Dropped(
            String source,
            String path,
            long document,
            String reason,
            @Nullable Original original) {}

    /** The kept document that a duplicate resembles. The estimated Jaccard index is 1 if the texts are equal. */
    record Original(String source, String path, long document, double similarity) {}

    /** The last line of the file. */
    record End(Selector.Report report) {}

    /**
     * Reads a selection file.
     *
     * @throws DataException if the file cannot be read, is not a selection, or is incomplete
     */
    public static Selection read(Path file) {
        Map<TextFile, LongList> dropped = new HashMap<>();
        long count = 0;
        @Nullable String first = null;
        @Nullable String last = null;
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (first == null) {
                    first = line;
                } else {
                    if (last != null) {
                        JsonNode one = Json.MAPPER.readTree(last);
                        TextFile text = new TextFile(
                                one.path("source").asString(""),
                                one.path("path").asString(""));
                        dropped.computeIfAbsent(text, _ -> new LongList())
                                .add(one.path("document").asLong(-1));
                        count++;
                    }
                    last = line;
                }
            }
            JsonNode header = Json.MAPPER.readTree(first == null ? "" : first);
            if (!FORMAT.equals(header.path("format").asString(""))
                    || header.path("version").asInt(0) != VERSION) {
                throw new DataException(file
                        + " is not a selection of this version; give the file that `data select --out` has written");
            }
            JsonNode end = Json.MAPPER.readTree(last == null ? "" : last).path("report");
            if (end.path("dropped").asLong(-1) != count) {
                throw new DataException(file + " is incomplete: its last line does not count the " + count
                        + " documents before it; run `data select` again");
            }
            Map<TextFile, long[]> sorted = new HashMap<>();
            dropped.forEach((text, documents) -> {
                long[] all = documents.toArray();
                Arrays.sort(all);
                sorted.put(text, all);
            });
            return new Selection(
                    file.toString(), Sha256.of(file), header.path("input").asString(""), sorted);
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, "give the file that `data select --out` has written");
        } catch (JacksonException e) {
            throw new DataException(
                    file + " is damaged: " + DataException.oneLine(e.getOriginalMessage())
                            + "; give the file that `data select --out` has written",
                    e);
        }
    }

    /** Returns the SHA-256 of the selection file, in hex. */
    @Override
    public String hash() {
        return hash;
    }

    @Override
    public boolean keeps(Document document) {
        long @Nullable [] parts = dropped.get(document.file());
        return parts == null || Arrays.binarySearch(parts, document.part()) < 0;
    }

    /**
     * Checks that the selection was made for an input.
     *
     * @throws DataException if the files or the options differ
     */
    @Override
    public void check(TextInput other) {
        if (!hash.isEmpty() && !input.equals(hash(other))) {
            throw new DataException(file + " was made for other input, or with other options; give `data select` and"
                    + " `prepare` the same inputs, --format, --field, --split, --on-error, --max-document and"
                    + " --collapse-spaces");
        }
    }

    /** Hashes everything that determines the documents: the names and sizes of the files, and the options. */
    static String hash(TextInput input) {
        ReadOptions o = input.options();
        MessageDigest digest = Sha256.digest();
        for (Object part : List.of(
                o.format(),
                o.field(),
                o.splitting(),
                o.transform(),
                o.onError(),
                o.limits().documentBytes())) {
            digest.update((part + "\n").getBytes(StandardCharsets.UTF_8));
        }
        for (FileList.Item item : input.items()) {
            String line = item.file().source() + "\n" + item.file().path() + "\n" + item.bytes() + "\n";
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return Sha256.hex(digest);
    }
}
