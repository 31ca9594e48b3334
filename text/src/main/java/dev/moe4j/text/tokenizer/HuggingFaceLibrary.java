package dev.moe4j.text.tokenizer;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import ai.djl.util.Utils;
import dev.moe4j.base.file.AtomicFile;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;

/**
 * Encodes text with Hugging Face's native tokenizers library, through DJL's JNI bindings.
 *
 * <p>This class loads the native library itself instead of going through DJL's {@code HuggingFaceTokenizer}. That class
 * reports its use to a telemetry server and downloads a CUDA build of the library on machines with a GPU. Both can be
 * turned off only by system properties or environment variables, which would apply to every user of DJL in the process.
 */
final class HuggingFaceLibrary {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final String RESOURCES = "/native/lib/";

    private static boolean loaded;

    private final long handle;

    /**
     * Creates a native tokenizer.
     *
     * @param json the content of a {@code tokenizer.json}
     * @throws IOException if the native library cannot be unpacked
     * @throws LinkageError if the native library cannot be loaded
     * @throws RuntimeException if the native library rejects the definition
     */
    HuggingFaceLibrary(String json) throws IOException {
        load();
        long created = TokenizersLibrary.LIB.createTokenizerFromString(json);
        this.handle = created;
        CLEANER.register(this, () -> TokenizersLibrary.LIB.deleteTokenizer(created));
    }

    /** Returns the token ids of a text, without special tokens. */
    long[] ids(String text) {
        long encoding = encode(text);
        try {
            return TokenizersLibrary.LIB.getTokenIds(encoding);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    /** Returns the range of code points that each token of a text covers. */
    CharSpan[] spans(String text) {
        long encoding = encode(text);
        try {
            return TokenizersLibrary.LIB.getTokenCharSpans(encoding);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    private long encode(String text) {
        try {
            return TokenizersLibrary.LIB.encode(handle, text, false);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Unpacks the CPU build to DJL's cache folder, unless it is there, and loads it. */
    @SuppressWarnings("restricted") // JNI is the only interface of the library
    private static synchronized void load() throws IOException {
        if (loaded) {
            return;
        }
        String platform = platform();
        Path folder = Utils.getEngineCacheDir("tokenizers").resolve(version() + "-cpu-" + platform);
        for (String name : fileNames(platform)) {
            Path file = folder.resolve(name);
            if (!Files.exists(file)) {
                Files.createDirectories(folder);
                AtomicFile.write(file, resource(platform + "/cpu/" + name));
            }
            System.load(file.toAbsolutePath().toString());
        }
        loaded = true;
    }

    private static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch");
        String system = os.startsWith("windows") ? "win" : os.startsWith("mac") ? "osx" : "linux";
        return system + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    /** The files of the library in the order in which they must be loaded. */
    private static List<String> fileNames(String platform) {
        return platform.startsWith("win")
                ? List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", "tokenizers.dll")
                : List.of(System.mapLibraryName("tokenizers"));
    }

    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream in = open("tokenizers.properties")) {
            properties.load(in);
        }
        return properties.getProperty("version", "");
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = open(name)) {
            return in.readAllBytes();
        }
    }

    private static InputStream open(String name) {
        InputStream in = TokenizersLibrary.class.getResourceAsStream(RESOURCES + name);
        if (in == null) {
            throw new UnsatisfiedLinkError("the tokenizers library has no build " + name);
        }
        return in;
    }
}
