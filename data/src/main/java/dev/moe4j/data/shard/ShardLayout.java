package dev.moe4j.data.shard;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * The layout of an index file. Both layouts have the same magic number, and {@link ShardReader} reads both
 * (docs/data-format.md).
 */
public enum ShardLayout {
    /** The layout of fairseq. */
    @JsonProperty("fairseq")
    FAIRSEQ,
    /** The layout of Megatron, with a document index. */
    @JsonProperty("megatron")
    MEGATRON
}
