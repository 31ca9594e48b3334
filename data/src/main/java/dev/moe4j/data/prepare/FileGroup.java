package dev.moe4j.data.prepare;

import dev.moe4j.text.source.FileList;
import java.util.ArrayList;
import java.util.List;

/**
 * Consecutive files that are prepared together. Groups are what machines share out and what a run that was interrupted
 * takes up again, so they depend on the list of files alone.
 *
 * @param number its place among all groups, from 0
 */
record FileGroup(int number, List<FileList.Item> items) {

    /** All groups: as many files as fit {@code bytes}, which are on the disk and may be compressed, or a larger one. */
    static List<FileGroup> of(List<FileList.Item> items, long bytes) {
        List<FileGroup> groups = new ArrayList<>();
        List<FileList.Item> group = new ArrayList<>();
        long sum = 0;
        for (FileList.Item item : items) {
            if (!group.isEmpty() && sum + item.bytes() > bytes) {
                groups.add(new FileGroup(groups.size(), List.copyOf(group)));
                group.clear();
                sum = 0;
            }
            group.add(item);
            sum += item.bytes();
        }
        if (!group.isEmpty()) {
            groups.add(new FileGroup(groups.size(), List.copyOf(group)));
        }
        return groups;
    }

    /** The groups of a share: those that begin in its part of the bytes, so that shares are consecutive too. */
    static List<FileGroup> of(List<FileGroup> all, WorkShare share) {
        long total = all.stream().mapToLong(FileGroup::bytes).sum();
        List<FileGroup> mine = new ArrayList<>();
        long before = 0;
        for (FileGroup group : all) {
            // What has no bytes, as standard input, may come behind all of them.
            long number = total == 0 ? 0 : Math.min(share.of() - 1, (long) ((double) before / total * share.of()));
            if (number == share.number() - 1) {
                mine.add(group);
            }
            before += group.bytes();
        }
        return mine;
    }

    long bytes() {
        return items.stream().mapToLong(FileList.Item::bytes).sum();
    }
}
