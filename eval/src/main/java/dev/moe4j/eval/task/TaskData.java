package dev.moe4j.eval.task;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * The examples of one split.
 *
 * @param file the file with the records
 * @param checksum SHA-256 of the file or files, in hex
 */
record TaskData(Path file, String checksum, List<Example> examples) {

    /** The file of a split's records, and the file of their labels, if separate. */
    private record Source(Path records, @Nullable Path labels) {}

    private static final String LABELS = " \\+ ";

    /**
     * Reads a split.
     *
     * @param folder the folder with the published files, either directly or in a subfolder named like the task
     * @throws EvalException if the split's file is missing, or a record does not match the task's description
     */
    static TaskData read(Task task, Path folder, String split) {
        return find(task, folder, split).orElseThrow(() -> {
            Path place = Files.isDirectory(folder.resolve(task.name())) ? folder.resolve(task.name()) : folder;
            return new EvalException("no file of the split " + split + " of " + task.name() + " is in " + place
                    + ", which has " + listing(place) + "; the file may be named "
                    + String.join(" or ", task.files(split)));
        });
    }

    /** Like {@link #read}; empty if the split's file is missing. */
    static Optional<TaskData> find(Task task, Path folder, String split) {
        return files(task, folder, split).map(files -> new FileReader(task, files.records(), files.labels()).data());
    }

    /** The file of a split; empty if it is missing. */
    static Optional<Path> file(Task task, Path folder, String split) {
        return files(task, folder, split).map(Source::records);
    }

    /** Lists the available splits with the checksums of their files, one per line. */
    static String checksums(Task task, Path folder) {
        StringBuilder text = new StringBuilder();
        for (String split : task.splits()) {
            files(task, folder, split)
                    .ifPresent(files -> text.append(split)
                            .append(' ')
                            .append(sha256(bytes(files.records())))
                            .append(files.labels() == null ? "" : " " + sha256(bytes(files.labels())))
                            .append('\n'));
        }
        return text.toString();
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Optional<Source> files(Task task, Path folder, String split) {
        for (String name : task.files(split)) {
            String[] files = name.split(LABELS, 2);
            for (Path base : List.of(folder.resolve(task.name()), folder)) {
                Path file = base.resolve(files[0]);
                Path labels = files.length > 1 ? base.resolve(files[1]) : null;
                if (Files.isRegularFile(file) && (labels == null || Files.isRegularFile(labels))) {
                    return Optional.of(new Source(file, labels));
                }
            }
        }
        return Optional.empty();
    }

    private static String listing(Path folder) {
        if (!Files.isDirectory(folder)) {
            return "no such folder";
        }
        try (Stream<Path> files = Files.list(folder)) {
            String names = files.map(file -> file.getFileName().toString())
                    .sorted()
                    .limit(10)
                    .collect(Collectors.joining(", "));
            return names.isEmpty() ? "nothing" : names;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String sha256(byte[]... parts) {
        MessageDigest digest = Sha256.digest();
        for (byte[] part : parts) {
            digest.update(part);
        }
        return Sha256.hex(digest);
    }

    /** Reads one file. */
    private static final class FileReader {
        private final Task task;
        private final Path file;
        private final @Nullable Path labelFile;
        private final List<String> labels;
        private final List<Example> examples = new ArrayList<>();
        private @Nullable RecordSchema layout;
        private int records;

        FileReader(Task task, Path file, @Nullable Path labelFile) {
            this.task = task;
            this.file = file;
            this.labelFile = labelFile;
            this.labels = labelFile == null ? List.of() : lines(labelFile);
        }

        private static List<String> lines(Path file) {
            List<String> lines = new ArrayList<>();
            TaskRecords.read(
                    file, (_, node) -> lines.add(node.path("line").asString().strip()));
            return lines;
        }

        TaskData data() {
            TaskRecords.read(file, this::accept);
            if (labelFile != null && records != labels.size()) {
                throw new EvalException(labelFile + " has " + labels.size() + " labels, but " + file + " has " + records
                        + " records; download both again");
            }
            if (examples.isEmpty()) {
                throw new EvalException(file + " has no record to score; download it again");
            }
            try {
                return new TaskData(
                        file,
                        sha256(
                                Files.readAllBytes(file),
                                String.join("\n", labels).getBytes(StandardCharsets.UTF_8)),
                        List.copyOf(examples));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void accept(String place, ObjectNode node) {
            if (labelFile != null) {
                if (records < labels.size()) {
                    node.put("label", labels.get(records));
                } else {
                    throw new EvalException(labelFile + " has only " + labels.size() + " labels for the records of "
                            + file + "; download both again");
                }
            }
            records++;
            if (layout == null) {
                layout = layout(place, node);
            }
            try {
                for (ObjectNode part : layout.records(node)) {
                    layout.fields(part).ifPresent(fields -> examples.add(task.example(place, fields)));
                }
            } catch (EvalException e) {
                throw new EvalException(
                        place + ": " + e.getMessage() + "; repair the record, or download the file again");
            }
        }

        /** Chooses the layout that matches the file's first record; among several, the one with the most fields. */
        private RecordSchema layout(String place, ObjectNode node) {
            List<RecordSchema> best = task.layouts().stream()
                    .sorted(Comparator.comparingInt(
                                    (RecordSchema each) -> each.missing(node).size())
                            .thenComparingInt(each -> -each.size()))
                    .toList();
            List<String> missing = best.getFirst().missing(node);
            if (missing.isEmpty()) {
                return best.getFirst();
            }
            throw new EvalException(
                    place + ": it has no " + String.join(", ", missing) + ", which the task " + task.name()
                            + " needs; its keys are " + String.join(", ", node.propertyNames())
                            + ". A split without labels cannot be scored: choose another split, or complete the file");
        }
    }
}
