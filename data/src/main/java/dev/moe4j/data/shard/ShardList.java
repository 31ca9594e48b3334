package dev.moe4j.data.shard;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Presents the consecutive shards of a split as one document stream. Safe for concurrent reads. After {@link #close},
 * every access throws {@link IllegalStateException}.
 */
public final class ShardList implements DocumentStream, AutoCloseable {
    private final Path name;
    private final List<ShardReader> shards;
    /** The number of the first document of each shard, followed by the number of all documents. */
    private final long[] firstDocument;
    /** The position of the first token of each shard, followed by the number of all tokens. */
    private final long[] firstToken;

    /** Joins shards. {@link #close} closes them. {@code name} is used in messages. */
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

    /** Returns the shard that contains a position before the end; this is never an empty shard. */
    private static int find(long[] first, long at) {
        int found = Arrays.binarySearch(first, at);
        if (found < 0) {
            return -found - 2;
        }
        while (first[found + 1] == at) { // of shards with the same start, only the last is not empty
            found++;
        }
        return found;
    }

    @Override
    public long tokens() {
        return firstToken[shards.size()];
    }

    @Override
    public long documents() {
        return firstDocument[shards.size()];
    }

    /**
     * Returns the number of tokens in a document, including the end of text.
     *
     * @param document the number of the document, from 0
     * @throws dev.moe4j.text.DataException if an array cannot hold the document
     */
    public int documentLength(long document) {
        Objects.checkIndex(document, documents());
        int shard = find(firstDocument, document);
        return shards.get(shard).documentLength(document - firstDocument[shard]);
    }

    /**
     * {@inheritDoc}
     *
     * @throws dev.moe4j.text.DataException if the entries of the shard are not contiguous
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
     * Returns the tokens of a document, {@code [tokens]}, including the end of text.
     *
     * @param document the number of the document, from 0
     * @throws dev.moe4j.text.DataException if an id is negative or does not fit in 31 bits
     */
    public int[] document(long document) {
        Objects.checkIndex(document, documents());
        int shard = find(firstDocument, document);
        return shards.get(shard).document(document - firstDocument[shard]);
    }

    /**
     * {@inheritDoc}
     *
     * @throws dev.moe4j.text.DataException also if the entries of a shard are not contiguous
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
