package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.Manifest;
import java.util.List;
import java.util.Map;

/**
 * A part of a {@link FileGroup} that is written: what a run needs to know about it that takes the work up again.
 *
 * @param part its place in the group, from 0
 * @param read the documents that were read for it
 * @param last whether the group is done with it
 * @param splits by name; a split without documents in this part is absent
 * @param skipped what was left out in the whole group; empty but in the last part
 */
record PartRecord(
        int group,
        int part,
        long read,
        boolean last,
        Map<String, Manifest.Shard> splits,
        List<Manifest.Source> sources,
        Map<String, Long> skipped) {

    static String name(int group, int part) {
        return String.format("%05d-%03d", group, part);
    }

    String name() {
        return name(group, part);
    }
}
