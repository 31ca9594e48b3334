package dev.moe4j.data.shard;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The two layouts of an index under the same magic number; both are read (docs/data-format.md). */
public enum ShardLayout {
    /** That of fairseq. */
    @JsonProperty("fairseq")
    FAIRSEQ,
    /** That of Megatron, with a document index. */
    @JsonProperty("megatron")
    MEGATRON
}
