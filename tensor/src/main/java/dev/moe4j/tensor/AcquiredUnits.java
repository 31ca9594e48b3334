package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;

/** Units that a section has acquired. Closing releases all of them, even if one release fails. */
final class AcquiredUnits implements AutoCloseable {

    private final List<Unit> units = new ArrayList<>();

    private AcquiredUnits() {}

    /** Acquires the units in order. If one fails, those before it are released. */
    static AcquiredUnits of(Collection<Unit> units) {
        AcquiredUnits acquired = new AcquiredUnits();
        try {
            for (Unit unit : units) {
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

    private static void release(Iterator<Unit> units) {
        if (units.hasNext()) {
            try {
                units.next().release();
            } finally {
                release(units);
            }
        }
    }
}
