package dev.moe4j.tensor.cpu;

import java.io.IOException;
import java.net.URL;
import java.util.List;
import org.bytedeco.javacpp.ClassProperties;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads the bundled libraries of libtorch, and never another copy on the machine. JavaCPP unpacks and loads the libraries one
 * by one, {@code libtorch.so} before its dependency {@code libtorch_cpu.so}. Linux's loader could then find another {@code
 * libtorch_cpu.so} in {@code LD_LIBRARY_PATH} or in the system's folders (Debian's package libtorch1.13), and the process
 * would crash. This class therefore unpacks all libraries first and loads them in the order of their dependencies.
 */
public final class NativeLibraries {

    /**
     * JavaCPP's names of libtorch's libraries, each after its dependencies. Linux's loader does not search for a library that
     * is already loaded.
     */
    private static final List<String> IN_ORDER =
            List.of("gomp@.1", "c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch");

    public static final boolean LINUX = System.getProperty("os.name", "").equals("Linux");

    private NativeLibraries() {}

    public static void load() {
        if (LINUX) {
            Loader.load(openblas.class); // libtorch_cpu.so needs it
            ClassProperties properties = Loader.loadProperties(torch.class, Loader.loadProperties(), true);
            List<Library> libraries = IN_ORDER.stream()
                    .map(name -> new Library(name, List.of(Loader.findLibrary(torch.class, properties, name))))
                    .filter(library -> !library.places.isEmpty())
                    .toList();
            libraries.forEach(Library::unpack);
            libraries.forEach(Library::load);
        }
        Loader.load(torch.class);
    }

    /**
     * A native library.
     *
     * @param places its locations on the class path; empty if the build lacks it or JavaCPP is set to use an installed libtorch
     */
    private record Library(String name, List<URL> places) {

        void unpack() {
            try {
                for (URL place : places) {
                    if (!place.getProtocol().equals("file")) {
                        Loader.cacheResource(place);
                    }
                }
            } catch (IOException e) {
                UnsatisfiedLinkError error =
                        new UnsatisfiedLinkError("cannot unpack " + places.getFirst() + ": " + e.getMessage());
                error.initCause(e);
                throw error;
            }
        }

        void load() {
            try {
                Loader.loadLibrary(torch.class, places.toArray(URL[]::new), name);
            } catch (UnsatisfiedLinkError e) {
                // Without NVIDIA's CUDA libraries libtorch still works on the CPU.
                if (!name.endsWith("_cuda")) {
                    throw e;
                }
            }
        }
    }
}
