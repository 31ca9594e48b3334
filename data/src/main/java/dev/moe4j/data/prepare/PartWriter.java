package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.data.shard.ShardWriter;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.Skipped;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes a part of a {@link FileGroup}: up to one shard of text, as one pair of files per split. Not safe for concurrent
 * use.
 */
final class PartWriter implements AutoCloseable {
    /** The maximum number of documents in a part. It bounds the memory of the growing index to 16 MiB. */
    static final long MAX_DOCUMENTS = 1L << 22;

    private final Path folder;
    private final int group;
    private final int part;
    private final int vocabularySize;
    private final ShardLayout layout;
    private final Map<String, ShardWriter> shards = new TreeMap<>();
    private final Map<String, TextSize> sizes = new TreeMap<>();
    private final Map<String, long[]> sources = new LinkedHashMap<>();
    private long documents;
    private long bytes;

    PartWriter(Path folder, int group, int part, int vocabularySize, ShardLayout layout) {
        this.folder = folder;
        this.group = group;
        this.part = part;
        this.vocabularySize = vocabularySize;
        this.layout = layout;
    }

    /** Returns a writer for the next part of the group. */
    PartWriter next() {
        return new PartWriter(folder, group, part + 1, vocabularySize, layout);
    }

    boolean isFull(long shardBytes) {
        return bytes >= shardBytes || documents >= MAX_DOCUMENTS;
    }

    /** Counts a document and returns the shard that its ids must be appended to. */
    ShardWriter add(String split, Document document) {
        long length = document.bytes();
        documents++;
        bytes += length;
        sizes.merge(split, new TextSize(length, TextSize.words(document.text())), TextSize::plus);
        long[] counts = sources.computeIfAbsent(document.file().source(), _ -> new long[2]);
        counts[0]++;
        counts[1] += length;
        return shards.computeIfAbsent(
                split,
                name -> new ShardWriter(
                        folder.resolve(name + "-" + PartRecord.name(group, part)), vocabularySize, layout));
    }

    /** Returns the number of documents written. */
    long documents() {
        return shards.values().stream().mapToLong(ShardWriter::documents).sum();
    }

    /** Returns the number of tokens written. */
    long tokens() {
        return shards.values().stream().mapToLong(ShardWriter::tokens).sum();
    }

    /** Completes the files and returns the record of the part. */
    PartRecord finish(boolean last, Skipped skipped) {
        Map<String, Manifest.Shard> splits = new TreeMap<>();
        shards.forEach((name, shard) -> {
            ShardWriter.Written written = shard.finish();
            TextSize size = sizes.getOrDefault(name, new TextSize(0, 0));
            splits.put(
                    name,
                    new Manifest.Shard(
                            shard.documents(),
                            shard.tokens(),
                            size.bytes(),
                            size.words(),
                            written.bin(),
                            written.idx()));
        });
        return new PartRecord(
                group,
                part,
                documents,
                last,
                splits,
                sources.entrySet().stream()
                        .map(e -> new Manifest.Source(e.getKey(), e.getValue()[0], e.getValue()[1]))
                        .toList(),
                skipped.byName());
    }

    @Override
    public void close() {
        shards.values().forEach(ShardWriter::close);
    }
}
