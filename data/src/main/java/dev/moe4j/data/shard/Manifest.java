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
 * Describes a folder of prepared data: its files, tokenizer, sources and options. This is the content of {@code
 * manifest.json} (docs/data-format.md).
 *
 * @param format always {@link #FORMAT}
 * @param version the format version
 * @param tokenizer the tokenizer that made the ids
 * @param appendsEndOfText whether each document ends with an end-of-text token
 * @param splits {@code train} and, if documents are held out, {@code valid}
 * @param sources the inputs
 * @param options the options of the preparation
 * @param work the share of the preparation that the folder holds
 * @param skipped the counts of skipped files and records, by reason
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

    /** The name of the manifest file. */
    public static final String FILE = "manifest.json";

    /** The name of the format. */
    public static final String FORMAT = "moe4j-shards";

    /** The name of the single source if another program wrote the data. */
    public static final String ADOPTED = "adopted";

    /** The current format version. */
    public static final int VERSION = 3;
    /** The oldest supported version, which lacks word counts. */
    private static final int OLDEST = 2;

    /** Copies the collections. Maps are sorted, so equal data gives equal bytes. */
    public Manifest {
        splits = Collections.unmodifiableMap(new TreeMap<>(splits));
        sources = List.copyOf(sources);
        skipped = Collections.unmodifiableMap(new TreeMap<>(skipped));
    }

    /**
     * The tokenizer that made the ids.
     *
     * @param spec the argument for {@link Tokenizer#of(String, Path)}
     * @param hash the hash of the definition
     * @param vocabulary the number of ids, including special tokens
     * @param endOfText the id of the end-of-text token
     */
    public record TokenizerInfo(String spec, String hash, int vocabulary, int endOfText) {
        /** Describes a tokenizer. */
        public static TokenizerInfo of(Tokenizer tokenizer) {
            return new TokenizerInfo(
                    tokenizer.spec(), tokenizer.hash(), tokenizer.vocabularySize(), tokenizer.endOfText());
        }
    }

    /**
     * A split of the documents.
     *
     * @param documents the number of documents
     * @param tokens the number of tokens, including the end of each document
     * @param textBytes the length of the text after transforms, in UTF-8 bytes, without end-of-text tokens
     * @param words the number of words in the text; 0 and absent from the file in data of version 2
     * @param shards the pairs of files that hold the documents, in order
     */
    public record Split(
            long documents,
            long tokens,
            long textBytes,
            @JsonInclude(JsonInclude.Include.NON_DEFAULT) long words,
            List<Shard> shards) {
        /** Copies the list. */
        public Split {
            shards = List.copyOf(shards);
        }

        /** Creates a split from its shards and sums up their counts. */
        public static Split of(List<Shard> shards) {
            return new Split(
                    shards.stream().mapToLong(Shard::documents).sum(),
                    shards.stream().mapToLong(Shard::tokens).sum(),
                    shards.stream().mapToLong(Shard::textBytes).sum(),
                    shards.stream().mapToLong(Shard::words).sum(),
                    shards);
        }

        /** Returns the size of the text. */
        public TextSize size() {
            return new TextSize(textBytes, words);
        }
    }

    /** A pair of files. The counts have the same meaning as in {@link Split}. */
    public record Shard(
            long documents,
            long tokens,
            long textBytes,
            @JsonInclude(JsonInclude.Include.NON_DEFAULT) long words,
            Stored bin,
            Stored idx) {}

    /** A data file: its name, its size in bytes and its checksum in hex. */
    public record Stored(String name, long bytes, String sha256) {}

    /** An input as the user named it, with its number of documents and bytes of text over all splits. */
    public record Source(String input, long documents, long textBytes) {
        /** Adds the counts of the same input in another part of the data. */
        public Source plus(Source other) {
            return new Source(input, documents + other.documents, textBytes + other.textBytes);
        }
    }

    /**
     * The options of the preparation.
     *
     * @param format the format of the input files
     * @param field the name of the field or column with the text, for files of records
     * @param splitting how text files are split into documents
     * @param transform the change to the text of each document
     * @param onError how bad input is handled
     * @param documentBytes the maximum size of a document, in UTF-8 bytes
     * @param holdOutFraction the expected fraction of documents held out
     * @param holdOutSeed the seed that selects the held-out documents
     * @param layout the layout of the index files
     * @param shardBytes the approximate size of a shard, in bytes of text
     * @param selection the SHA-256 of the selection file; empty and absent from the manifest if all documents are kept
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

        /** Collects the options of a preparation. */
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
     * The share of a preparation that the folder holds.
     *
     * @param share the number of the share, from 1
     * @param of the number of shares; 1 if the data is complete
     * @param plan the SHA-256 of the list of files, the tokenizer and the options, which is equal for all shares
     */
    public record Work(int share, int of, String plan) {}

    /** Whether another program wrote the ids. The size of the source text is then unknown. */
    public boolean adopted() {
        return sources.size() == 1
                && sources.getFirst().input().equals(ADOPTED)
                && work.plan().isEmpty();
    }

    /** Returns the number of documents in all splits. */
    public long documents() {
        return splits.values().stream().mapToLong(Split::documents).sum();
    }

    /** Returns the SHA-256 of the manifest file. It identifies all data, because the manifest has their checksums. */
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        digest.update(Json.indented(this).getBytes(StandardCharsets.UTF_8));
        return Sha256.hex(digest);
    }

    /**
     * Writes the manifest into a folder.
     *
     * @throws DataException if the file cannot be written
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
     * Reads the manifest of a folder and checks that all files exist with the right sizes.
     *
     * @throws DataException if the manifest or a file is missing or damaged, the version is not supported, or the counts
     *     are inconsistent
     */
    public static Manifest read(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new DataException(folder + " has no " + FILE
                    + ", so it is not prepared data; give the folder that `prepare --out` has written");
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
                throw new DataException(file + " has version " + version + ", but this program reads " + OLDEST + " to "
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

    /** Sets the word counts of shards and splits to 0 if the file lacks them (version 2). */
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
                        + " more than once; prepare the data again");
            }
            Path file = folder.resolve(name);
            try {
                if (Files.size(file) != stored.bytes) {
                    throw new DataException(file + " has " + Files.size(file) + " bytes, but its manifest says "
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

    /** Returns the files of all shards, in order. */
    public List<Stored> files() {
        return splits.values().stream()
                .flatMap(split -> split.shards.stream())
                .flatMap(shard -> Stream.of(shard.bin, shard.idx))
                .toList();
    }

    /**
     * Reads all files and verifies their checksums, including the tokenizer's file.
     *
     * @throws DataException if a checksum differs or a file cannot be read
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
