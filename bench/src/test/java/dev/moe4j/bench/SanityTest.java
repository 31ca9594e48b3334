package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import org.junit.jupiter.api.Test;

class SanityTest {
    @Test
    void thisMachineComputesRight() {
        Sanity.run(Device.CPU); // the first run allocates what it keeps
        long before = Scope.liveTensors();

        assertThat(Sanity.run(Device.CPU)).hasSize(5).allMatch(Sanity.Check::holds);
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void nanDoesNotHold() {
        assertThat(new Sanity.Check("x", Double.NaN, 1).holds()).isFalse();
        assertThat(new Sanity.Check("x", 2, 1).holds()).isFalse();
        assertThat(new Sanity.Check("x", 1, 1).holds()).isTrue();
    }
}
