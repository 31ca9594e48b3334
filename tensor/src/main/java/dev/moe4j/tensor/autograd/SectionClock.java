package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.cuda.CudaDriver;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * Measures the time of sections: on the CPU with the system's clock, on CUDA with events on the stream. The host waits for
 * the events only at the end. Waiting after every section would leave the device idle before the next section.
 */
final class SectionClock {

    private record Lap(CudaDriver driver, long from, long to, LongConsumer report) {}

    private final List<Lap> laps = new ArrayList<>();

    /** Starts a measurement; returns the argument for {@link #stop}. */
    static long start(Device device) {
        return device.isCuda() ? CudaDriver.of(device).mark() : System.nanoTime();
    }

    /**
     * Ends a measurement.
     *
     * @param report receives the nanoseconds: immediately on the CPU, and during {@link #flush} on CUDA
     */
    void stop(Device device, long start, LongConsumer report) {
        if (device.isCuda()) {
            CudaDriver driver = CudaDriver.of(device);
            laps.add(new Lap(driver, start, driver.mark(), report));
        } else {
            report.accept(System.nanoTime() - start);
        }
    }

    /** Waits for the device and reports all pending measurements. */
    void flush() {
        laps.forEach(lap -> lap.report().accept(lap.driver().nanoseconds(lap.from(), lap.to())));
        laps.clear();
    }
}
