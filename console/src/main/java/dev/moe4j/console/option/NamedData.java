package dev.moe4j.console.option;

import dev.moe4j.console.output.Output;
import dev.moe4j.data.sample.TrainingData;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;

/** A data set given as {@code name=path} or {@code path}; without a name, the last part of the path is the name. */
public record NamedData(String name, Path path) {

    public static List<NamedData> parse(List<String> texts, Output output) {
        List<NamedData> sets = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (String text : texts) {
            NamedData set = parse(text);
            if (set.name.isEmpty() || set.path.toString().isEmpty()) {
                throw output.wrongUsage("--data " + text + ": give a path, or a name and a path as in pile=data/pile");
            }
            if (!names.add(set.name)) {
                throw output.wrongUsage(
                        "two data sets are named " + set.name + "; give each a name, as in a=" + set.path);
            }
            sets.add(set);
        }
        return sets;
    }

    /** Opens prepared data for training. */
    public static TrainingData open(List<NamedData> data) {
        SequencedMap<String, Path> folders = new LinkedHashMap<>();
        data.forEach(source -> folders.put(source.name, source.path));
        return TrainingData.open(folders);
    }

    private static NamedData parse(String text) {
        int equals = text.indexOf('=');
        if (equals >= 0 && !exists(text)) {
            return new NamedData(text.substring(0, equals), Path.of(text.substring(equals + 1)));
        }
        Path path = Path.of(text);
        Path last = path.toAbsolutePath().normalize().getFileName();
        return new NamedData(Objects.toString(last, text), path);
    }

    private static boolean exists(String path) {
        try {
            return Files.exists(Path.of(path));
        } catch (InvalidPathException e) {
            // web=C:\data is not a valid path on Windows, because of its colon.
            return false;
        }
    }
}
