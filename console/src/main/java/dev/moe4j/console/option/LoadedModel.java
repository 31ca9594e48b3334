package dev.moe4j.console.option;

import dev.moe4j.console.output.CliException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A checkpoint's model and its tokenizer.
 *
 * @param folder the checkpoint's folder, even if the user named a run's folder
 */
public record LoadedModel(Path folder, LanguageModel model, Tokenizer tokenizer) implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LoadedModel.class);

    /** Loads the model with the routing of training, where sequences of a batch may share the experts' capacity. */
    public static LoadedModel read(ModelOptions options) {
        return read(options, CheckpointReader::architecture);
    }

    /** Loads the model for independent texts, which never share the experts' capacity. */
    public static LoadedModel readUngrouped(ModelOptions options) {
        return read(options, reader -> reader.architecture().ungrouped());
    }

    private static LoadedModel read(ModelOptions options, Function<CheckpointReader, Architecture> architecture) {
        Precision precision = Precision.parse(options.precision);
        Device device = Device.parse(options.device);
        try (CheckpointReader reader = open(options)) {
            Tokenizer tokenizer = tokenizer(reader, options);
            return new LoadedModel(
                    reader.folder(), reader.model(architecture.apply(reader), precision, device), tokenizer);
        }
    }

    /** Opens the checkpoint. If the user named a run, logs which of its checkpoints is used. */
    public static CheckpointReader open(ModelOptions options) {
        CheckpointReader reader = CheckpointReader.open(options.checkpoint);
        if (!reader.folder().equals(options.checkpoint)) {
            LOG.info("{}: using the checkpoint {}", options.checkpoint, reader.folder());
        }
        return reader;
    }

    /** Returns the tokenizer that the checkpoint names, or the one given by {@code --tokenizer} if it names none. */
    public static Tokenizer tokenizer(CheckpointReader reader, ModelOptions options) {
        TokenizerSpec recorded = reader.tokenizer();
        String given = options.tokenizer;
        if (recorded == null) {
            if (given == null) {
                throw new CliException(
                        reader.folder() + " does not say which tokenizer its model was trained with; add --tokenizer");
            }
            Tokenizer tokenizer = Tokenizer.of(given);
            int vocabulary = reader.architecture().model().vocabulary();
            if (tokenizer.vocabularySize() > vocabulary) {
                throw new CliException("--tokenizer " + given + " has " + tokenizer.vocabularySize()
                        + " entries, more than the vocabulary of " + vocabulary + " of the model in " + reader.folder()
                        + "; give the tokenizer that the model was trained with");
            }
            return tokenizer;
        }
        Tokenizer tokenizer = Tokenizer.of(recorded.name(), reader.folder());
        if (given != null && !Tokenizer.of(given).hash().equals(tokenizer.hash())) {
            throw new CliException("--tokenizer " + given + ": the model in " + reader.folder() + " was trained with "
                    + recorded.name() + "; leave the option out");
        }
        if (!tokenizer.hash().equals(recorded.sha256())) {
            throw new CliException("the model in " + reader.folder() + " was trained with another definition of the"
                    + " tokenizer " + recorded.name() + "; use the version of moe4j that trained it");
        }
        return tokenizer;
    }

    /**
     * Rejects data that was prepared with another tokenizer.
     *
     * @throws CliException if {@code other} is not this model's tokenizer
     */
    public void checkTokenizer(Tokenizer other, Path data) {
        if (!other.hash().equals(tokenizer.hash())) {
            throw new CliException(data + " was prepared with the tokenizer " + other.spec() + ", and the checkpoint "
                    + folder + " was trained with " + tokenizer.spec() + "; prepare the text with --tokenizer "
                    + tokenizer.spec() + ", or give the text itself");
        }
    }

    /** Returns a key of this model, tokenizer, precision and device, for cached results. */
    public String identity(ModelOptions options) {
        try (CheckpointReader reader = CheckpointReader.open(folder)) {
            return String.join(" ", reader.digest(), tokenizer.hash(), options.precision, options.device);
        }
    }

    @Override
    public void close() {
        model.close();
    }
}
