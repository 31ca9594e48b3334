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
 * The libraries of CUDA that libtorch's build with CUDA takes from the machine: which are missing, and what to do.
 *
 * <p>Without the runtime that build does not load at all; without one of the others it loads, sees no GPU and says nothing.
 */
final class CudaLibraries {

    /**
     * What libtorch's libraries name as needed ({@code readelf -d}), what those need in turn, what is opened by name when a
     * kernel is compiled, and the driver; each with the pip package that has it, empty for the driver.
     */
    private static final List<Library> NEEDED = List.of(
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
     * A library that cannot be used.
     *
     * @param name as the loader looks for it, such as {@code libcudart.so.13}
     * @param reason in the loader's words
     */
    record Missing(String name, String reason) {}

    /** Those that the loader finds, and the folders where installations of CUDA usually are. */
    CudaLibraries(Map<String, String> environment) {
        this(CudaLibraries::open, roots(environment));
    }

    /**
     * With another loader and other folders, for tests.
     *
     * @param opener tells why a library cannot be opened, empty if it can
     * @param roots where to look for what the loader does not find
     */
    CudaLibraries(Function<String, Optional<String>> opener, List<Path> roots) {
        this.opener = opener;
        this.roots = roots;
    }

    /** Whether the libtorch on the class path is the build with CUDA. */
    static boolean wanted(String platform) {
        return CudaLibraries.class
                        .getClassLoader()
                        .getResource("org/bytedeco/pytorch/" + platform + "-gpu/libjnitorch.so")
                != null;
    }

    /** How many there must be. */
    int count() {
        return NEEDED.size();
    }

    /** Those that cannot be opened. */
    List<Missing> missing() {
        List<Missing> missing = new ArrayList<>();
        for (Library library : NEEDED) {
            opener.apply(library.name).ifPresent(reason -> missing.add(new Missing(library.name, reason)));
        }
        return missing;
    }

    /** What to do about them, in a sentence or two. */
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
            advice.add("set LD_LIBRARY_PATH=" + path + ", where " + String.join(", ", found) + " are");
        }
        names.removeAll(found);
        if (!names.isEmpty()) {
            String wheels = NEEDED.stream()
                    .filter(library -> names.contains(library.name))
                    .map(Library::wheel)
                    .distinct()
                    .collect(Collectors.joining(" "));
            advice.add("install CUDA 13, cuDNN 9 and NCCL 2, or for " + String.join(", ", names) + ": pip install "
                    + wheels);
        }
        return String.join("; ", advice);
    }

    /** Folders with libraries below the roots: of a CUDA toolkit, and of the wheels of Python environments. */
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
            return List.of(); // a folder that may not be read has nothing to offer
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

    /** Asks the loader, as libtorch's libraries will; empty if it finds the library and all that it needs. */
    static Optional<String> open(String name) {
        Linker linker = Linker.nativeLinker();
        SymbolLookup lookup = linker.defaultLookup();
        MethodHandle dlopen = linker.downcallHandle(
                lookup.findOrThrow("dlopen"),
                FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        MethodHandle dlerror =
                linker.downcallHandle(lookup.findOrThrow("dlerror"), FunctionDescriptor.of(ValueLayout.ADDRESS));
        try (Arena arena = Arena.ofConfined()) {
            // It stays open: libtorch takes it next.
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
