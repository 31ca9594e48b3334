package dev.moe4j.console.option;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.console.output.Failure;
import dev.moe4j.eval.task.Task;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.function.Consumer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Converters for options that name something built in. An unknown name is wrong usage, reported before a command
 * starts.
 */
public final class OptionNames {

    private OptionNames() {}

    public static final class Preset implements ITypeConverter<String> {
        @Override
        public String convert(String name) {
            return checked(name, Presets::architecture);
        }
    }

    public static final class TaskName implements ITypeConverter<String> {
        @Override
        public String convert(String nameOrFile) {
            return ConfigReader.isFile(nameOrFile) ? nameOrFile : checked(nameOrFile, Task::named);
        }
    }

    /** A device's name on any machine. Whether this machine has the device is checked when the command starts. */
    public static final class DeviceName implements ITypeConverter<String> {
        @Override
        public String convert(String name) {
            return checked(name, Device::checkName);
        }
    }

    static final class PrecisionName implements ITypeConverter<String> {
        @Override
        public String convert(String name) {
            return checked(name, Precision::parse);
        }
    }

    static final class PrecisionOrAuto implements ITypeConverter<String> {
        @Override
        public String convert(String name) {
            return name.equals(RunConfig.AUTO) ? name : checked(name, Precision::parse);
        }
    }

    private static String checked(String name, Consumer<String> check) {
        try {
            check.accept(name);
            return name;
        } catch (RuntimeException e) {
            Failure failure = Failure.of(e);
            if (!failure.expected()) {
                throw e;
            }
            throw new TypeConversionException(failure.message());
        }
    }
}
