package dev.moe4j.data.shard;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.json.Json;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.ReadOptions;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What made a folder of prepared data; {@code manifest.json} in docs/data-format.md.
 *
 * @param splits {@code train} and, if there was a hold-out, {@code valid}
 * @param skipped files and records left out, by reason
 */
public record Manifest(
        String format,
        int version,
        TokenizerInfo tokenizer,
        boolean appendsEndOfText,
        Map<String, Split> splits,
        List<Source> sources,
        Options options,
        Work work,
        Map<String, Long> skipped) {

    public static final String FILE = "manifest.json";
    public static final String FORMAT = "moe4j-shards";
    /** The one source of data that another program wrote. */
    public static final String ADOPTED = "adopted";

    public static final int VERSION = 3;
    /** The oldest version that can be read; it has no words. */
    private static final int OLDEST = 2;

    /** Copies what could change; maps are sorted, so that equal data gives equal bytes. */
    public Manifest {
        splits = Collections.unmodifiableMap(new TreeMap<>(splits));
        sources = List.copyOf(sources);
        skipped = Collections.unmodifiableMap(new TreeMap<>(skipped));
    }

    /**
     * The tokenizer that made the ids.
     *
     * @param spec what {@link Tokenizer#of} takes
     * @param vocabulary the number of ids, special ones included
     */
    public record TokenizerInfo(String spec, String hash, int vocabulary, int endOfText) {
        public static TokenizerInfo of(Tokenizer tokenizer) {
            return new TokenizerInfo(
                    tokenizer.spec(), tokenizer.hash(), tokenizer.vocabularySize(), tokenizer.endOfText());
        }
    }

    /**
     * Documents in order, in the pairs of files that hold them.
     *
     * @param tokens ids, the end of each document included
     * @param textBytes UTF-8 bytes of the text, transformed if asked for, without end-of-text tokens
     * @param words of that text; 0, and not in the file, in data of version 2
     */
    public record Split(
            long documents,
            long tokens,
            long textBytes,
            @JsonInclude(JsonInclude.Include.NON_DEFAULT) long words,
            List<Shard> shards) {
        /** Copies what could change. */
        public Split {
            shards = List.copyOf(shards);
        }

        public static Split of(List<Shard> shards) {
            return new Split(
                    shards.stream().mapToLong(Shard::documents).sum(),
                    shards.stream().mapToLong(Shard::tokens).sum(),
                    shards.stream().mapToLong(Shard::textBytes).sum(),
                    shards.stream().mapToLong(Shard::words).sum(),
                    shards);
        }

        /** The size of the text. */
        public TextSize size() {
            return new TextSize(textBytes, words);
        }
    }

    /** A pair of files; the numbers are those of {@link Split}. */
    public record Shard(
            long documents,
            long tokens,
            long textBytes,
            @JsonInclude(JsonInclude.Include.NON_DEFAULT) long words,
            Stored bin,
            Stored idx) {}

    /** A file. */
    public record Stored(String name, long bytes, String sha256) {}

    /** An input as it was named, and what came of it in all splits. */
    public record Source(String input, long documents, long textBytes) {
        public Source plus(Source other) {
            return new Source(input, documents + other.documents, textBytes + other.textBytes);
        }
    }

    /**
     * How the documents were made.
     *
     * @param field the field or column with the text, where files have records
     * @param documentBytes the largest document
     * @param shardBytes the text of a shard, about
     * @param selection SHA-256 of the file that says which documents are left out; empty, and not in the file, if none
     */
    public record Options(
            TextFormat format,
            String field,
            DocumentBoundary splitting,
            TextTransform transform,
            OnError onError,
            long documentBytes,
            double holdOutFraction,
            long holdOutSeed,
            ShardLayout layout,
            long shardBytes,
            @JsonInclude(JsonInclude.Include.NON_EMPTY) String selection) {

        public static Options of(ReadOptions read, HoldOut holdOut, ShardLayout layout, long shardBytes) {
            return new Options(
                    read.format(),
                    read.field(),
                    read.splitting(),
                    read.transform(),
                    read.onError(),
                    read.limits().documentBytes(),
                    holdOut.fraction(),
                    holdOut.seed(),
                    layout,
                    shardBytes,
                    read.filter().hash());
        }
    }

    /**
     * Which part of the work this is.
     *
     * @param share from 1
     * @param of how many shares there are; 1 where the data is whole
     * @param plan SHA-256 over the list of files, the tokenizer and the options, which all shares have in common
     */
    public record Work(int share, int of, String plan) {}

    /** Whether another program wrote the ids, so that the size of the source text is not known. */
    public boolean adopted() {
        return sources.size() == 1
                && sources.getFirst().input().equals(ADOPTED)
                && work.plan().isEmpty();
    }

    /** The documents in all splits. */
    public long documents() {
        return splits.values().stream().mapToLong(Split::documents).sum();
    }

    /** The SHA-256 of the manifest's file: with the checksums in it, that of all the data. */
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        digest.update(Json.indented(this).getBytes(StandardCharsets.UTF_8));
        return Sha256.hex(digest);
    }

    /**
     * Writes the manifest into the folder.
     *
     * @throws DataException if that fails
     */
    public void write(Path folder) {
        Path file = folder.resolve(FILE);
        try {
            AtomicFile.write(file, Json.indented(this));
        } catch (IOException e) {
            throw DataException.of("cannot write " + file, e, "free some space there or choose another output folder");
        }
    }

    /**
     * Reads the manifest of a folder, and checks that its files exist with the right lengths.
     *
     * @throws DataException if anything is missing, unknown, of a newer version or does not add up
     */
    public static Manifest read(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new DataException(folder + " has no " + FILE
                    + ", so it is no prepared data; give the folder that `prepare --out` has written");
        }
        Manifest manifest;
        try {
            JsonNode tree = Json.MAPPER.readTree(Files.readString(file));
            if (!FORMAT.equals(tree.path("format").asString(""))) {
                throw new DataException(file + " is not of the format " + FORMAT
                        + "; give the folder that `prepare --out` has written");
            }
            int version = tree.path("version").asInt(0);
            if (version < OLDEST || version > VERSION) {
                throw new DataException(file + " has version " + version + ", and this program reads " + OLDEST + " to "
                        + VERSION + "; use the program that wrote it or prepare the data again");
            }
            if (tree.path("options") instanceof ObjectNode options && !options.has("selection")) {
                options.put("selection", "");
            }
            addMissingWords(tree);
            manifest = Json.MAPPER.treeToValue(tree, Manifest.class);
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, "check the path, or prepare the data again");
        } catch (JacksonException e) {
            throw new DataException(
                    file + " is damaged: " + DataException.oneLine(e.getOriginalMessage()) + "; prepare the data again",
                    e);
        }
        manifest.check(folder);
        return manifest;
    }

    /** Sets the words of shards and splits to 0 where the file has none. */
    public static void addMissingWords(JsonNode node) {
        if (node instanceof ObjectNode object && object.has("text_bytes") && object.has("tokens")) {
            object.putIfAbsent("words", object.numberNode(0));
        }
        node.forEach(Manifest::addMissingWords);
    }

    private void check(Path folder) {
        Set<String> names = new HashSet<>();
        for (Stored stored : files()) {
            String name = stored.name;
            if (name.contains("/") || name.contains("\\") || name.startsWith(".")) {
                throw new DataException(folder.resolve(FILE) + " names a file outside its folder: "
                        + DataException.oneLine(name) + "; prepare the data again");
            }
            if (!names.add(name)) {
                throw new DataException(folder.resolve(FILE) + " is damaged: it names " + DataException.oneLine(name)
                        + " twice; prepare the data again");
            }
            Path file = folder.resolve(name);
            try {
                if (Files.size(file) != stored.bytes) {
                    throw new DataException(file + " has " + Files.size(file) + " bytes, and its manifest says "
                            + stored.bytes + "; copy it again or prepare the data again");
                }
            } catch (IOException e) {
                throw DataException.of("cannot read " + file, e, "copy it again or prepare the data again");
            }
        }
        splits.forEach((name, split) -> {
            if (!split.equals(Split.of(split.shards))) {
                throw new DataException(folder.resolve(FILE) + " is damaged: the shards of " + name
                        + " do not add up to it; prepare the data again");
            }
        });
    }

    /** The files of all shards, in order. */
    public List<Stored> files() {
        return splits.values().stream()
                .flatMap(split -> split.shards.stream())
                .flatMap(shard -> Stream.of(shard.bin, shard.idx))
                .toList();
    }

    /**
     * Compares the checksums of all files, reading them whole; that of the tokenizer's file is its hash.
     *
     * @throws DataException if one differs
     */
    public void verify(Path folder) {
        files().forEach(stored -> verify(folder.resolve(stored.name), stored.sha256));
        if (tokenizer.spec.equals(Tokenizer.FILE)) {
            verify(folder.resolve(Tokenizer.FILE), tokenizer.hash);
        }
    }

    private static void verify(Path file, String sha256) {
        try {
            if (!Sha256.of(file).equals(sha256)) {
                throw new DataException(file + " does not have its checksum; copy it again or prepare the data again");
            }
        } catch (IOException e) {
            throw DataException.of("cannot read " + file, e, "copy it again or prepare the data again");
        }
    }
}
