package dev.moe4j.cli.doctor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Finds copies of libtorch on a Linux machine other than moe4j's, such as Debian's package libtorch1.13 or a
 * PyTorch wheel. A process that mixes libraries of two copies crashes.
 */
final class ForeignLibtorch {

    private static final String NAME = "libtorch_cpu.so";
    private static final Pattern MAPPED = Pattern.compile(".*?(/.*/" + Pattern.quote(NAME) + "[.\\d]*)");

    /** Default folders of the loader on Debian and Red Hat. */
    private static final List<String> DEFAULT_FOLDERS = List.of("/lib64", "/usr/lib64", "/lib", "/usr/lib");

    private ForeignLibtorch() {}

    /** Returns the copies in the folders that the system's loader searches. */
    static List<Path> installed(Map<String, String> environment) {
        Stream<String> named = Stream.of(
                        environment.getOrDefault("LD_LIBRARY_PATH", "").split(":", -1))
                .filter(folder -> !folder.isEmpty());
        return installed(Stream.of(named, configured(Path.of("/etc/ld.so.conf.d")), DEFAULT_FOLDERS.stream())
                .flatMap(folders -> folders)
                .map(Path::of)
                .toList());
    }

    /** Returns the distinct copies in these folders. */
    static List<Path> installed(List<Path> folders) {
        Set<Path> copies = new LinkedHashSet<>();
        for (Path folder : folders) {
            Path copy = folder.resolve(NAME);
            if (Files.exists(copy)) {
                copies.add(real(copy));
            }
        }
        return List.copyOf(copies);
    }

    /**
     * Returns the folders that the loader's configuration adds, such as Debian's
     * {@code /usr/lib/x86_64-linux-gnu}.
     */
    static Stream<String> configured(Path configuration) {
        if (!Files.isDirectory(configuration)) {
            return Stream.empty();
        }
        List<String> folders = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(configuration, "*.conf")) {
            for (Path file : files) {
                Files.readAllLines(file).stream()
                        .map(String::strip)
                        .filter(line -> line.startsWith("/"))
                        .forEach(folders::add);
            }
        } catch (IOException | UncheckedIOException e) {
            // The loader cannot read the file either.
        }
        return folders.stream();
    }

    /**
     * Returns the copies that a process has loaded.
     *
     * @param maps the process's {@code /proc/PID/maps}
     */
    static List<Path> loaded(Path maps) {
        try (Stream<String> lines = Files.lines(maps)) {
            return lines.map(MAPPED::matcher)
                    .filter(Matcher::matches)
                    .map(line -> real(Path.of(line.group(1))))
                    .distinct()
                    .toList();
        } catch (IOException | UncheckedIOException e) {
            return List.of(); // not Linux
        }
    }

    private static Path real(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            return path;
        }
    }
}
