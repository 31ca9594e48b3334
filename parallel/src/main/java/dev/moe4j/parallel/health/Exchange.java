package dev.moe4j.parallel.health;

import dev.moe4j.parallel.layout.Members;

/**
 * One collective of a group.
 *
 * @param label the caller's name for it, such as {@code layer 3 dispatch}
 * @param number among the group's exchanges, from 1; the same on all members
 */
public record Exchange(Members members, String label, long number) {

    /** For messages: {@code 'layer 3 dispatch' of group expert-0}. */
    public String describe() {
        return "'" + label + "' of group " + members.name();
    }
}
