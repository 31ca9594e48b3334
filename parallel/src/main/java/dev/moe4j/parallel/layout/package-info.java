/**
 * How the work is partitioned over processes, as plain values. {@link Layout} assigns ranks to data parallel and expert
 * parallel groups, {@link Sharding} selects the state that is sharded (ZeRO), and {@link AllToAllSplits} and
 * {@link ReceivedRowLayout} describe the rows of an all-to-all. Depends only on {@code base}.
 */
@NullMarked
package dev.moe4j.parallel.layout;

import org.jspecify.annotations.NullMarked;
