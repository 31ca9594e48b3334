package dev.moe4j.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResidentMemoryTest {

    @Test
    void memoryIsWhatLinuxSays(@TempDir Path folder) throws IOException {
        Path status = Files.writeString(folder.resolve("status"), "Name:\tjava\nVmHWM:\t  1234 kB\nVmRSS:\t 1 kB\n");
        assertThat(ResidentMemory.field("VmHWM", status)).hasValue(1234 * 1024);
        assertThat(ResidentMemory.field("VmRSS", status)).hasValue(1024);
        assertThat(ResidentMemory.field("VmRSS", folder.resolve("none"))).isEmpty();
    }
}
