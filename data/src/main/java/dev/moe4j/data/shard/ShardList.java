package dev.moe4j.data.shard;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The documents of a split, which are in one shard after the other, as if they were in one. Safe to read from many
 * threads; after {@link #close} every access fails with {@link IllegalStateException}.
 */
public final class ShardList implements DocumentStream, AutoCloseable {
    private final Path name;
    private final List<ShardReader> shards;
    /** Of each shard the number of its first document and of its first id; behind the last, those of all. */
    private final long[] firstDocument;

    private final long[] firstToken;

    /** Takes the shards, which {@link #close} closes. {@code name} is for messages. */
    ShardList(Path name, List<ShardReader> shards) {
        this.name = name;
        this.shards = List.copyOf(shards);
        firstDocument = new long[shards.size() + 1];
        firstToken = new long[shards.size() + 1];
        for (int i = 0; i < shards.size(); i++) {
            firstDocument[i + 1] = firstDocument[i] + shards.get(i).documents();
            firstToken[i + 1] = firstToken[i] + shards.get(i).tokens();
        }
    }

    /** The last shard that begins at or before a place that is not behind the end; so never an empty one. */
    private static int find(long[] first, long at) {
        int found = Arrays.binarySearch(first, at);
        if (found < 0) {
            return -found - 2;
        }
        while (first[found + 1] == at) { // of equal beginnings all but the last are of empty shards
            found++;
        }
        return found;
    }

    /** The ids of all documents together. */
    @Override
    public long tokens() {
        return firstToken[shards.size()];
    }

    @Override
    public long documents() {
        return firstDocument[shards.size()];
    }

    /**
     * The ids in a document, its end of text included.
     *
     * @param document from 0
     * @throws dev.moe4j.text.DataException if there are more than an array holds
     */
    public int documentLength(long document) {
        Objects.checkIndex(document, documents());
        int shard = find(firstDocument, document);
        return shards.get(shard).documentLength(document - firstDocument[shard]);
    }

    /**
     * {@inheritDoc}
     *
     * @throws dev.moe4j.text.DataException if the entries of its shard are not back to back
     */
    @Override
    public long documentStart(long document) {
        Objects.checkIndex(document, documents() + 1);
        if (document == documents()) {
            return tokens();
        }
        int shard = find(firstDocument, document);
        return firstToken[shard] + shards.get(shard).documentStart(document - firstDocument[shard]);
    }

    /**
     * The ids of a document.
     *
     * @param document from 0
     * @throws dev.moe4j.text.DataException if an id is negative or does not fit 31 bits
     */
    public int[] document(long document) {
        Objects.checkIndex(document, documents());
        int shard = find(firstDocument, document);
        return shards.get(shard).document(document - firstDocument[shard]);
    }

    /**
     * {@inheritDoc}
     *
     * @throws dev.moe4j.text.DataException also if the entries of a shard overlap or leave gaps, so that there is no one stream
     */
    @Override
    public void copyTokens(long offset, int[] out, int at, int count) {
        Objects.checkFromIndexSize(offset, count, tokens());
        Objects.checkFromIndexSize(at, count, out.length);
        long from = offset;
        int to = at;
        while (to < at + count) {
            int shard = find(firstToken, from);
            int here = (int) Math.min(at + count - to, firstToken[shard + 1] - from);
            shards.get(shard).copyTokens(from - firstToken[shard], out, to, here);
            from += here;
            to += here;
        }
    }

    /** Unmaps the files. */
    @Override
    public void close() {
        shards.forEach(ShardReader::close);
    }

    @Override
    public String toString() {
        return name.toString();
    }
}
