package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;

/** The parameter groups that a section has acquired. Closing releases all of them, even if one release fails. */
final class AcquiredGroups implements AutoCloseable {

    private final List<ParameterGroup> groups = new ArrayList<>();

    private AcquiredGroups() {}

    /** Acquires the groups in order. If one fails, releases the groups acquired so far. */
    static AcquiredGroups of(Collection<ParameterGroup> groups) {
        AcquiredGroups acquired = new AcquiredGroups();
        try {
            for (ParameterGroup group : groups) {
                group.acquire();
                acquired.groups.add(group);
            }
            return acquired;
        } catch (RuntimeException | Error e) {
            acquired.close();
            throw e;
        }
    }

    @Override
    public void close() {
        release(groups.iterator());
    }

    private static void release(Iterator<ParameterGroup> groups) {
        if (groups.hasNext()) {
            try {
                groups.next().release();
            } finally {
                release(groups);
            }
        }
    }
}
