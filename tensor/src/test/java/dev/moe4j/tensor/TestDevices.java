package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;

/**
 * The devices that tests run on: the CPU and a GPU. Where there is no GPU its tests are skipped, which reports show; with
 * {@code -Dmoe4j.test.cuda=true} they fail.
 */
public final class TestDevices {

    private static final String ON_CPU = "on the CPU";
    private static final String ON_GPU = "on a GPU";

    private TestDevices() {}

    /** A test of what a device computes. */
    @FunctionalInterface
    public interface Check {
        void accept(Device device) throws Exception;
    }

    /** The GPU of the test that asks for it. */
    public static Device cuda() {
        int devices = Libtorch.cudaDevices();
        if (Boolean.getBoolean("moe4j.test.cuda")) {
            assertThat(devices).as("CUDA devices").isPositive();
        }
        assumeTrue(devices > 0, "no CUDA device is here");
        return new Device(Device.Kind.CUDA, 0);
    }

    /** The same test on each device. */
    public static Stream<DynamicTest> each(Check check) {
        return Stream.of(
                DynamicTest.dynamicTest(ON_CPU, () -> check.accept(Device.CPU)),
                DynamicTest.dynamicTest(ON_GPU, () -> check.accept(cuda())));
    }

    /** The same tests on each device; where there is no GPU, one in their place. */
    public static Stream<DynamicContainer> all(Function<Device, Stream<DynamicTest>> tests) {
        Stream<DynamicTest> onGpu = Libtorch.cudaDevices() > 0
                ? tests.apply(cuda())
                : Stream.of(DynamicTest.dynamicTest("all of them", () -> tests.apply(cuda())));
        return Stream.of(
                DynamicContainer.dynamicContainer(ON_CPU, tests.apply(Device.CPU)),
                DynamicContainer.dynamicContainer(ON_GPU, onGpu));
    }
}
