package dev.moe4j.console.option;

import dev.moe4j.base.UserException;
import dev.moe4j.console.output.Output;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.List;

/** A run's configuration from {@code --model} or {@code --preset}, and {@code --set}. */
public final class RunOptions {

    private RunOptions() {}

    /**
     * Reads the configuration. An unknown preset and what {@code --set} does wrong are wrong usage; what is wrong in a
     * file is not. Says which preset a file is based on that names none.
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

    /** Whether this is a file that cannot be used even without {@code --set}. */
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
