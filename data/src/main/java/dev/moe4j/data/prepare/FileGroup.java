package dev.moe4j.data.prepare;

import dev.moe4j.text.source.FileList;
import java.util.ArrayList;
import java.util.List;

/**
 * Consecutive files that are prepared together. Groups are the unit of work for several machines and for resuming, so
 * they depend only on the list of files.
 *
 * @param number the group's index among all groups, from 0
 */
record FileGroup(int number, List<FileList.Item> items) {

    /**
     * Divides files into groups.
     *
     * @param bytes the maximum size of a group on disk; a larger file is a separate group
     */
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

    /** Returns the groups of a share. A group belongs to the share in whose byte range it begins. */
    static List<FileGroup> of(List<FileGroup> all, WorkShare share) {
        long total = all.stream().mapToLong(FileGroup::bytes).sum();
        List<FileGroup> mine = new ArrayList<>();
        long before = 0;
        for (FileGroup group : all) {
            // A group of size 0, such as standard input, may begin at the end of all bytes.
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
