package dev.moe4j.parallel.health;

import dev.moe4j.parallel.layout.Members;

/**
 * Identifies one collective of a group.
 *
 * @param label the caller's name for the collective, such as {@code layer 3 dispatch}
 * @param number the collective's number in the group, from 1. It is the same on all members
 */
public record CollectiveId(Members members, String label, long number) {

    /** Formats the collective for messages: {@code 'layer 3 dispatch' of group expert-0}. */
    public String describe() {
        return "'" + label + "' of group " + members.name();
    }
}
