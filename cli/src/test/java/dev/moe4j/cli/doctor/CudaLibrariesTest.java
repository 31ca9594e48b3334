package dev.moe4j.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class CudaLibrariesTest {
    @TempDir
    private Path root;

    @Test
    void nothingIsMissingIfTheLoaderFindsAll() {
        Checkup checkup = new Checkup(Map.of());
        CudaLibraries libraries = new CudaLibraries(_ -> Optional.empty(), List.of(root));

        checkup.checkCuda(libraries);

        assertThat(libraries.missing()).isEmpty();
        assertThat(checkup.check("CUDA libraries").status()).isEqualTo("ok");
        assertThat(checkup.check("CUDA libraries").detail()).isEqualTo("all 14 found");
    }

    @Test
    void namesMissingLibrariesAndTheirFolders() throws IOException {
        Path runtime = library("venv/lib/python3.12/site-packages/nvidia/cu13/lib", "libcudart.so.13");
        Path cupti = library("cuda/extras/CUPTI/lib64", "libcupti.so.13");
        library("cuda/lib64", "libcudart.so.12"); // another version does not help
        CudaLibraries libraries = new CudaLibraries(
                withoutThese("libcudart.so.13", "libcupti.so.13", "libnccl.so.2"),
                List.of(root.resolve("venv"), root.resolve("cuda"), root.resolve("absent")));
        Checkup checkup = new Checkup(Map.of());

        checkup.checkCuda(libraries);

        DoctorCommand.Check check = checkup.check("CUDA libraries");
        assertThat(check.status()).isEqualTo("fail");
        assertThat(check.detail())
                .startsWith("missing libcudart.so.13, libcupti.so.13, libnccl.so.2: ")
                .contains("set LD_LIBRARY_PATH=" + runtime + ":" + cupti
                        + ", which contains libcudart.so.13, libcupti.so.13")
                .contains("for libnccl.so.2: pip install nvidia-nccl-cu13")
                .doesNotContain("driver");
    }

    @Test
    void aMissingDriverHasNoPipPackage() {
        CudaLibraries libraries = new CudaLibraries(withoutThese("libcuda.so.1"), List.of(root));

        assertThat(libraries.remedy(libraries.missing())).isEqualTo("install NVIDIA's driver, 580 or newer");
    }

    @Test
    void aPackageIsNamedOnce() {
        CudaLibraries libraries =
                new CudaLibraries(withoutThese("libcublas.so.13", "libcublasLt.so.13"), List.of(root));

        assertThat(libraries.remedy(libraries.missing())).endsWith("pip install nvidia-cublas");
    }

    @Test
    void aLibraryThatFailsToLoadShowsTheLoadersError() {
        Checkup checkup = new Checkup(Map.of());

        checkup.checkCuda(new CudaLibraries(
                name -> name.equals("libcusparse.so.12")
                        ? Optional.of("libnvJitLink.so.13: wrong ELF class")
                        : Optional.empty(),
                List.of()));

        assertThat(checkup.check("CUDA libraries").detail())
                .startsWith("missing libcusparse.so.12 (libnvJitLink.so.13: wrong ELF class): ");
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void usesTheSystemLoader() {
        assertThat(CudaLibraries.open("libc.so.6")).isEmpty();
        assertThat(CudaLibraries.open("libmoe4j-none.so.1"))
                .get()
                .asString()
                .startsWith("libmoe4j-none.so.1: cannot open");
    }

    private Path library(String folder, String name) throws IOException {
        Path created = Files.createDirectories(root.resolve(folder));
        Files.createFile(created.resolve(name));
        return created;
    }

    private static Function<String, Optional<String>> withoutThese(String... names) {
        Set<String> missing = Set.of(names);
        return name -> missing.contains(name)
                ? Optional.of(name + ": cannot open shared object file: No such file or directory")
                : Optional.empty();
    }
}
