package dev.moe4j.model.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A whole checkpoint among those of a run.
 *
 * @param step finished optimizer steps, by which its folder is called
 */
public record CheckpointStep(long step, Path folder) {

    private static final Pattern NAME = Pattern.compile("step-(\\d{8,18})");

    /** The checkpoint that a folder is by its name, if it is one. */
    static Optional<CheckpointStep> of(Path folder) {
        Matcher name = NAME.matcher(folder.getFileName().toString());
        return name.matches() && Files.isDirectory(folder)
                ? Optional.of(new CheckpointStep(Long.parseLong(name.group(1)), folder))
                : Optional.empty();
    }

    /** The folder of a run's checkpoint after that many steps. */
    public static Path folder(Path run, long step) {
        return run.resolve("step-%08d".formatted(step));
    }
}
