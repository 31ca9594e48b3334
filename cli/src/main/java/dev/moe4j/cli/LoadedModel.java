package dev.moe4j.cli;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.LanguageModel;
import java.nio.file.Path;

/**
 * A checkpoint's model and its tokenizer.
 *
 * @param folder of the checkpoint itself
 */
record LoadedModel(Path folder, LanguageModel model, Tokenizer tokenizer) implements AutoCloseable {

    static LoadedModel read(ModelOptions options) {
        return InterimReader.read(options);
    }

    /** Refuses data that another tokenizer made. */
    void checkTokenizer(Tokenizer other, Path data) {
        if (!other.hash().equals(tokenizer.hash())) {
            throw new CliException(data + " was prepared with the tokenizer " + other.spec() + ", and the checkpoint "
                    + folder + " was trained with " + tokenizer.spec() + "; prepare the text with --tokenizer "
                    + tokenizer.spec() + ", or give the text itself");
        }
    }

    @Override
    public void close() {
        model.close();
    }
}
