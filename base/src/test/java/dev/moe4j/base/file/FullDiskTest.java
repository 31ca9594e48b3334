package dev.moe4j.base.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class FullDiskTest {

    @Test
    void itsTextsAreKnown() {
        assertThat(FullDisk.explains(new FileSystemException("a", null, "There is not enough space on the disk")))
                .isTrue();
        assertThat(FullDisk.explains(new IOException("Disk quota exceeded"))).isTrue();
        assertThat(FullDisk.explains(new NoSuchFileException("quota"))).isFalse();
        assertThat(FullDisk.explains(new IOException())).isFalse();
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void thisSystemsTextIsKnown() throws IOException {
        try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
            IOException failure = catchThrowableOfType(IOException.class, () -> full.write(ByteBuffer.allocate(1)));
            assertThat(FullDisk.explains(failure)).isTrue();
        }
    }
}
