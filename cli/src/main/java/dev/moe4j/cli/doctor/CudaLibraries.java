package dev.moe4j.cli.doctor;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The CUDA libraries that libtorch's CUDA build loads from the machine: finds missing ones and suggests a remedy.
 *
 * <p>Without the CUDA runtime, the build does not load. Without one of the other libraries, it loads and silently
 * finds no GPU.
 */
final class CudaLibraries {

    /**
     * The libraries that libtorch's libraries depend on ({@code readelf -d}), their own dependencies, libraries
     * opened by name for kernel compilation, and the driver. Each has the pip package that contains it, empty for
     * the driver.
     */
    private static final List<Library> REQUIRED = List.of(
            new Library("libcuda.so.1", ""),
            new Library("libcudart.so.13", "nvidia-cuda-runtime"),
            new Library("libcupti.so.13", "nvidia-cuda-cupti"),
            new Library("libnvrtc.so.13", "nvidia-cuda-nvrtc"),
            new Library("libcublasLt.so.13", "nvidia-cublas"),
            new Library("libcublas.so.13", "nvidia-cublas"),
            new Library("libcufft.so.12", "nvidia-cufft"),
            new Library("libcufile.so.0", "nvidia-cufile"),
            new Library("libcurand.so.10", "nvidia-curand"),
            new Library("libnvJitLink.so.13", "nvidia-nvjitlink"),
            new Library("libcusparse.so.12", "nvidia-cusparse"),
            new Library("libcusolver.so.12", "nvidia-cusolver"),
            new Library("libcudnn.so.9", "nvidia-cudnn-cu13"),
            new Library("libnccl.so.2", "nvidia-nccl-cu13"));

    private static final int RTLD_LAZY = 1;

    private final Function<String, Optional<String>> opener;
    private final List<Path> roots;

    private record Library(String name, String wheel) {}

    /**
     * A library that cannot be loaded.
     *
     * @param name the loader's name for it, such as {@code libcudart.so.13}
     * @param reason the loader's error message
     */
    record Missing(String name, String reason) {}

    /** Uses the system's loader and the usual folders of CUDA installations. */
    CudaLibraries(Map<String, String> environment) {
        this(CudaLibraries::open, roots(environment));
    }

    /**
     * Uses another loader and other folders, for tests.
     *
     * @param opener returns the reason why a library cannot be opened, empty if it can
     * @param roots folders to search for libraries that the loader does not find
     */
    CudaLibraries(Function<String, Optional<String>> opener, List<Path> roots) {
        this.opener = opener;
        this.roots = roots;
    }

    /** Whether the class path has the CUDA build of libtorch. */
    static boolean isCudaBuild(String platform) {
        return CudaLibraries.class
                        .getClassLoader()
                        .getResource("org/bytedeco/pytorch/" + platform + "-gpu/libjnitorch.so")
                != null;
    }

    /** The number of required libraries. */
    int count() {
        return REQUIRED.size();
    }

    /** The libraries that cannot be opened. */
    List<Missing> missing() {
        List<Missing> missing = new ArrayList<>();
        for (Library library : REQUIRED) {
            opener.apply(library.name).ifPresent(reason -> missing.add(new Missing(library.name, reason)));
        }
        return missing;
    }

    /** Returns a remedy for the missing libraries, in one or two sentences. */
    String remedy(List<Missing> missing) {
        List<String> advice = new ArrayList<>();
        Set<String> names = missing.stream().map(Missing::name).collect(Collectors.toCollection(LinkedHashSet::new));
        if (names.remove("libcuda.so.1")) {
            advice.add("install NVIDIA's driver, 580 or newer");
        }
        Set<Path> folders = new LinkedHashSet<>();
        Set<String> found = new LinkedHashSet<>();
        for (Path folder : folders()) {
            for (String name : names) {
                if (Files.exists(folder.resolve(name)) && found.add(name)) {
                    folders.add(folder);
                }
            }
        }
        if (!folders.isEmpty()) {
            String path = folders.stream().map(Path::toString).collect(Collectors.joining(":"));
            advice.add("set LD_LIBRARY_PATH=" + path + ", which contains " + String.join(", ", found));
        }
        names.removeAll(found);
        if (!names.isEmpty()) {
            String wheels = REQUIRED.stream()
                    .filter(library -> names.contains(library.name))
                    .map(Library::wheel)
                    .distinct()
                    .collect(Collectors.joining(" "));
            advice.add("install CUDA 13, cuDNN 9 and NCCL 2; or, for " + String.join(", ", names) + ": pip install "
                    + wheels);
        }
        return String.join("; ", advice);
    }

    /** Folders below the roots that may hold CUDA libraries: those of CUDA toolkits and of Python packages. */
    private List<Path> folders() {
        List<Path> folders = new ArrayList<>();
        for (Path root : roots) {
            folders.add(root.resolve("lib64"));
            folders.add(root.resolve("extras/CUPTI/lib64"));
            for (String python : List.of("lib", "lib64", "local/lib")) {
                for (Path version : children(root.resolve(python), "python3*")) {
                    for (String packages : List.of("site-packages", "dist-packages")) {
                        for (Path wheel : children(version.resolve(packages).resolve("nvidia"), "*")) {
                            folders.add(wheel.resolve("lib"));
                        }
                    }
                }
            }
        }
        return folders;
    }

    private static List<Path> children(Path folder, String pattern) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<Path> children = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, pattern)) {
            stream.forEach(children::add);
        } catch (IOException e) {
            return List.of(); // a folder without read permission offers no libraries
        }
        children.sort(null);
        return children;
    }

    private static List<Path> roots(Map<String, String> environment) {
        Stream<String> named = Stream.of("VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_HOME", "CUDA_PATH")
                .map(environment::get)
                .filter(folder -> folder != null && !folder.isEmpty());
        Stream<String> usual =
                Stream.of("/usr/local/cuda", System.getProperty("user.home") + "/.local", "/usr/local", "/usr");
        return Stream.concat(named, usual).map(Path::of).toList();
    }

    /**
     * Opens a library with dlopen, as libtorch will. Returns the loader's error, or empty if the library and its
     * dependencies load.
     */
    static Optional<String> open(String name) {
        Linker linker = Linker.nativeLinker();
        SymbolLookup lookup = linker.defaultLookup();
        MethodHandle dlopen = linker.downcallHandle(
                lookup.findOrThrow("dlopen"),
                FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        MethodHandle dlerror =
                linker.downcallHandle(lookup.findOrThrow("dlerror"), FunctionDescriptor.of(ValueLayout.ADDRESS));
        try (Arena arena = Arena.ofConfined()) {
            // The handle stays open, since libtorch uses the library next.
            MemorySegment handle = (MemorySegment) dlopen.invokeExact(arena.allocateFrom(name), RTLD_LAZY);
            if (handle.address() != 0) {
                return Optional.empty();
            }
            MemorySegment error = (MemorySegment) dlerror.invokeExact();
            return Optional.of(error.reinterpret(Long.MAX_VALUE).getString(0));
        } catch (Throwable e) {
            throw new IllegalStateException("dlopen cannot be called", e);
        }
    }
}
