package dev.moe4j.parallel.launch;

import dev.moe4j.base.digest.Sha256;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.List;
import java.util.stream.Stream;

/** Computes a version of the running code that differs between builds. */
public final class CodeVersion {

    private static final String JAR = ".jar";
    private static final String OURS = "moe4j-";

    private CodeVersion() {}

    /**
     * Returns a digest of the running code in 12 hexadecimal digits. The digest covers the jar of this module and all jars
     * in its folder, or the folder of classes. moe4j's jars enter with their content, which is reproducible. Other jars
     * enter with their names, which contain their versions.
     */
    public static String here() {
        try {
            return of(Path.of(CodeVersion.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI()));
        } catch (URISyntaxException e) {
            throw new IllegalStateException("the code location is not a path", e);
        }
    }

    /**
     * Returns the version of the code at a location.
     *
     * @param source a jar or a folder of classes
     */
    static String of(Path source) {
        boolean classes = Files.isDirectory(source);
        Path folder = classes ? source : source.resolveSibling("");
        try (Stream<Path> files = Files.walk(folder, classes ? Integer.MAX_VALUE : 1)) {
            List<Path> code = files.filter(file -> classes || file.toString().endsWith(JAR))
                    .filter(Files::isRegularFile)
                    .sorted()
                    .toList();
            MessageDigest digest = Sha256.digest();
            try (OutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
                for (Path file : code) {
                    out.write((folder.relativize(file) + "\n").getBytes(StandardCharsets.UTF_8));
                    if (classes || file.equals(source) || isOurs(file)) {
                        Files.copy(file, out);
                    }
                }
            }
            return Sha256.hex(digest).substring(0, 12);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isOurs(Path file) {
        return file.getFileName().toString().startsWith(OURS);
    }
}
