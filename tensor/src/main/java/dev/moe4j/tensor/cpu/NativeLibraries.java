package dev.moe4j.tensor.cpu;

import java.io.IOException;
import java.net.URL;
import java.util.List;
import org.bytedeco.javacpp.ClassProperties;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads libtorch's libraries such that no other copy on the machine is taken. JavaCPP unpacks and loads one library after
 * the other, {@code libtorch.so} before {@code libtorch_cpu.so}, which {@code libtorch.so} needs. Linux's loader then takes
 * a {@code libtorch_cpu.so} from {@code LD_LIBRARY_PATH} or, while ours is not unpacked yet, from the system's folders
 * (Debian's package libtorch1.13), and the process crashes.
 */
public final class NativeLibraries {

    /**
     * JavaCPP's names of libtorch's libraries, each after the libraries that it needs. Linux's loader prefers a library that
     * is loaded already to any folder.
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
     * A library.
     *
     * @param places on the class path; empty where a build lacks it, or the machine's own libtorch is wanted
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
                // Where CUDA's own libraries are missing, libtorch works without a GPU.
                if (!name.endsWith("_cuda")) {
                    throw e;
                }
            }
        }
    }
}
