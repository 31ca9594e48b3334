package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;

/**
 * The devices on which tests run: the CPU and a GPU. Without a GPU its tests are reported as skipped. With {@code
 * -Dmoe4j.test.cuda=true} they fail instead.
 */
public final class TestDevices {

    private static final String ON_CPU = "on the CPU";
    private static final String ON_GPU = "on a GPU";

    private TestDevices() {}

    /** A test that runs on a device. */
    @FunctionalInterface
    public interface Check {
        void accept(Device device) throws Exception;
    }

    /** The GPU; skips the calling test without one. */
    public static Device cuda() {
        int devices = Libtorch.cudaDevices();
        if (Boolean.getBoolean("moe4j.test.cuda")) {
            assertThat(devices).as("CUDA devices").isPositive();
        }
        assumeTrue(devices > 0, "no CUDA device is here");
        return new Device(Device.Kind.CUDA, 0);
    }

    /** Runs a test on each device. */
    public static Stream<DynamicTest> each(Check check) {
        return Stream.of(
                DynamicTest.dynamicTest(ON_CPU, () -> check.accept(Device.CPU)),
                DynamicTest.dynamicTest(ON_GPU, () -> check.accept(cuda())));
    }

    /** Runs tests on each device. Without a GPU, one skipped test stands for all tests on the GPU. */
    public static Stream<DynamicContainer> all(Function<Device, Stream<DynamicTest>> tests) {
        Stream<DynamicTest> onGpu = Libtorch.cudaDevices() > 0
                ? tests.apply(cuda())
                : Stream.of(DynamicTest.dynamicTest("all of them", () -> tests.apply(cuda())));
        return Stream.of(
                DynamicContainer.dynamicContainer(ON_CPU, tests.apply(Device.CPU)),
                DynamicContainer.dynamicContainer(ON_GPU, onGpu));
    }
}
