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
 * Copies of libtorch on a Linux machine that are not moe4j's, such as Debian's package libtorch1.13 or a wheel of PyTorch.
 * A process that takes one of their libraries among its own crashes.
 */
final class ForeignLibtorch {

    private static final String NAME = "libtorch_cpu.so";
    private static final Pattern MAPPED = Pattern.compile(".*?(/.*/" + Pattern.quote(NAME) + "[.\\d]*)");

    /** Debian's and Red Hat's, which the loader searches without being told. */
    private static final List<String> USUAL = List.of("/lib64", "/usr/lib64", "/lib", "/usr/lib");

    private ForeignLibtorch() {}

    /** Copies in the folders that the system's loader searches. */
    static List<Path> installed(Map<String, String> environment) {
        Stream<String> named = Stream.of(
                        environment.getOrDefault("LD_LIBRARY_PATH", "").split(":", -1))
                .filter(folder -> !folder.isEmpty());
        return installed(Stream.of(named, configured(Path.of("/etc/ld.so.conf.d")), USUAL.stream())
                .flatMap(folders -> folders)
                .map(Path::of)
                .toList());
    }

    /** The copies in these folders, each once. */
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

    /** The folders that the configuration of the loader adds, such as Debian's {@code /usr/lib/x86_64-linux-gnu}. */
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
            // The loader could not read it either.
        }
        return folders.stream();
    }

    /**
     * The copies that a process has loaded.
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
