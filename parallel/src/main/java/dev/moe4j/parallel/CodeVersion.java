package dev.moe4j.parallel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** A name for the code that runs, which differs as soon as one process runs another build. */
public final class CodeVersion {

    private CodeVersion() {}

    /**
     * A digest of what this module was loaded from: the folder of jars (moe4j's by their content, which builds of the
     * same source share, others by their names, which hold their versions), or the folder of classes.
     */
    public static String here() {
        try {
            Path source = Path.of(CodeVersion.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            return of(Files.isDirectory(source) ? source : source.resolveSibling(""));
        } catch (URISyntaxException e) {
            throw new IllegalStateException("the code's place has no path", e);
        }
    }

    static String of(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            List<Path> sorted = files.filter(Files::isRegularFile).sorted().toList();
            for (Path file : sorted) {
                String name = file.getFileName().toString();
                digest.update((folder.relativize(file) + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8));
                if (!name.endsWith(".jar") || name.startsWith("moe4j-")) {
                    digest.update(Files.readAllBytes(file));
                }
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 6);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
    }
}
