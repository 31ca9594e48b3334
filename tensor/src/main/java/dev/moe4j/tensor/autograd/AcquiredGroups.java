package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;

/** Units that a section has acquired. Closing releases all of them, even if one release fails. */
final class AcquiredGroups implements AutoCloseable {

    private final List<ParameterGroup> units = new ArrayList<>();

    private AcquiredGroups() {}

    /** Acquires the units in order. If one fails, those before it are released. */
    static AcquiredGroups of(Collection<ParameterGroup> units) {
        AcquiredGroups acquired = new AcquiredGroups();
        try {
            for (ParameterGroup unit : units) {
                unit.acquire();
                acquired.units.add(unit);
            }
            return acquired;
        } catch (RuntimeException | Error e) {
            acquired.close();
            throw e;
        }
    }

    @Override
    public void close() {
        release(units.iterator());
    }

    private static void release(Iterator<ParameterGroup> units) {
        if (units.hasNext()) {
            try {
                units.next().release();
            } finally {
                release(units);
            }
        }
    }
}
