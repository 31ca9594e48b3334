package dev.moe4j.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The first start on a machine where another libtorch is installed. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class NativeLibrariesTest {

    private static final String FOREIGN = "libtorch_cpu.so";

    @TempDir
    private Path folder;

    @Test
    void aForeignLibraryOnTheLoadersPathIsNotTaken() throws Exception {
        Path foreign = Files.createDirectory(folder.resolve("foreign"));
        // Any library works, because only its name matters.
        try (InputStream library = torch.class.getResourceAsStream("/org/bytedeco/pytorch/linux-x86_64/libgomp.so.1")) {
            Files.copy(Objects.requireNonNull(library, "libtorch's libraries"), foreign.resolve(FOREIGN));
        }
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("cache"),
                        "-XX:ErrorFile=" + folder.resolve("crash.log"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        First.class.getName())
                .redirectErrorStream(true);
        builder.environment().put("LD_LIBRARY_PATH", foreign.toString());
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).as(output).isZero();
        List<String> mapped =
                output.lines().filter(line -> line.endsWith(FOREIGN)).toList();
        assertThat(mapped)
                .singleElement()
                .asString()
                .startsWith(folder.resolve("cache").toRealPath().toString());
        assertThat(output).contains("sum 3.0");
    }

    /** Loads libtorch, runs an operation, and prints the libraries mapped into the process. */
    static final class First {
        private First() {}

        public static void main(String[] args) throws Exception {
            try (Scope _ = Scope.open()) {
                System.out.println(
                        "sum " + Tensor.full(3, DType.FLOAT32, Device.CPU, 1).toFloats()[0]);
            }
            try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
                maps.filter(line -> line.contains(".so"))
                        .map(line -> line.substring(line.indexOf('/')))
                        .distinct()
                        .forEach(System.out::println);
            }
        }
    }
}
