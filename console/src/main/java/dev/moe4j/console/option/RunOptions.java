package dev.moe4j.console.option;

import dev.moe4j.base.UserException;
import dev.moe4j.console.output.Output;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.List;

/** Reads a run's configuration from {@code --model} or {@code --preset} and {@code --set}. */
public final class RunOptions {

    private RunOptions() {}

    /**
     * Reads the configuration. An unknown preset and a wrong {@code --set} are wrong usage; an error in a file is
     * a failure. If a file names no preset, prints the preset it is based on.
     */
    public static RunConfig read(Output output, String nameOrFile, List<String> overrides) {
        if (isUnreadable(nameOrFile)) {
            return RunConfig.read(nameOrFile, overrides);
        }
        RunConfig config = output.usage(() -> {
            RunConfig read = RunConfig.read(nameOrFile, overrides);
            if (!read.precision().equals(RunConfig.AUTO)) {
                Precision.parse(read.precision());
            }
            return read;
        });
        if (!RunConfig.namesPreset(nameOrFile, overrides)) {
            output.err().println("moe4j: " + nameOrFile + ": the key preset is missing; based on " + config.preset());
        }
        return config;
    }

    /** Whether {@code nameOrFile} is a file that is invalid even without {@code --set}. */
    private static boolean isUnreadable(String nameOrFile) {
        if (!RunConfig.isFile(nameOrFile)) {
            return false;
        }
        try {
            RunConfig.read(nameOrFile, List.of());
            return false;
        } catch (UserException e) {
            return true;
        }
    }
}
