package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.cuda.CudaDriver;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * Times sections: on the CPU by the clock, on CUDA by events on the stream, which the host waits for at the end only. A
 * host that waited after every section would leave the device idle while it starts the next.
 */
final class SectionClock {

    private record Lap(CudaDriver driver, long from, long to, LongConsumer report) {}

    private final List<Lap> laps = new ArrayList<>();

    /** A section begins; {@link #stop} takes what this gives. */
    static long start(Device device) {
        return device.isCuda() ? CudaDriver.of(device).mark() : System.nanoTime();
    }

    /**
     * The section's calls are made.
     *
     * @param report hears the nanoseconds: at once on the CPU, else from {@link #flush}
     */
    void stop(Device device, long start, LongConsumer report) {
        if (device.isCuda()) {
            CudaDriver driver = CudaDriver.of(device);
            laps.add(new Lap(driver, start, driver.mark(), report));
        } else {
            report.accept(System.nanoTime() - start);
        }
    }

    /** Waits for the device and reports what it took. */
    void flush() {
        laps.forEach(lap -> lap.report().accept(lap.driver().nanoseconds(lap.from(), lap.to())));
        laps.clear();
    }
}
