package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.Manifest;
import java.util.List;
import java.util.Map;

/**
 * The record of a finished part of a {@link FileGroup}, from which an interrupted preparation resumes.
 *
 * @param group the index of the group
 * @param part the index of the part in its group, from 0
 * @param read the number of documents read for this part
 * @param last whether this is the last part of the group
 * @param splits the files of each split; a split without documents in this part is absent
 * @param sources the documents of each input
 * @param skipped the counts of skipped input in the group; empty except in the last part
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
