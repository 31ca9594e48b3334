package dev.moe4j.model.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A complete checkpoint of a run.
 *
 * @param step the number of finished optimizer steps, which is part of the folder's name
 */
public record CheckpointStep(long step, Path folder) {

    private static final Pattern NAME = Pattern.compile("step-(\\d{8,18})");

    /** The checkpoint in a folder; empty if the folder's name is not a checkpoint's. */
    static Optional<CheckpointStep> of(Path folder) {
        Matcher name = NAME.matcher(folder.getFileName().toString());
        return name.matches() && Files.isDirectory(folder)
                ? Optional.of(new CheckpointStep(Long.parseLong(name.group(1)), folder))
                : Optional.empty();
    }

    /** The folder of a run's checkpoint after the given number of steps. */
    public static Path folder(Path run, long step) {
        return run.resolve("step-%08d".formatted(step));
    }
}
