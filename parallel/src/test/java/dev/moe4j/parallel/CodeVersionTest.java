package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CodeVersionTest {

    @TempDir
    private Path folder;

    @Test
    void changesWithOurCodeAndWithTheNamesOfOthers() throws IOException {
        Path ours = Files.writeString(folder.resolve("moe4j-model-1.jar"), "a");
        Path others = Files.writeString(folder.resolve("other-1.0.jar"), "a");
        String before = CodeVersion.of(folder);
        assertThat(before).matches("[0-9a-f]{12}");
        Files.writeString(others, "b");
        assertThat(CodeVersion.of(folder)).isEqualTo(before);
        Files.writeString(ours, "b");
        assertThat(CodeVersion.of(folder)).isNotEqualTo(before);
        Files.writeString(ours, "a");
        Files.move(others, folder.resolve("other-1.1.jar"));
        assertThat(CodeVersion.of(folder)).isNotEqualTo(before);
    }

    @Test
    void thisCodeHasOne() {
        assertThat(CodeVersion.here()).matches("[0-9a-f]{12}").isEqualTo(CodeVersion.here());
    }
}
