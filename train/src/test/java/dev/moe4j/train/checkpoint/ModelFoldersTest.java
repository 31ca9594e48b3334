package dev.moe4j.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.UndeletableFolder;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class ModelFoldersTest {

    @TempDir
    private Path folder;

    @Test
    @EnabledOnOs(OS.LINUX)
    void anOlderModelThatCannotBeDeletedIsNotCalledAFailedWrite() throws IOException {
        Tokenizer bytes = Tokenizer.of("bytes");
        RunConfig config = RunConfig.preset("cpu-tiny-moe").forVocabulary(bytes.vocabularySize());
        try (ModelFolders models = ModelFolders.lock(folder);
                LanguageModel model =
                        LanguageModel.initialize(config.architecture(), Precision.FP32, Device.CPU, new RandomKey(7));
                UndeletableFolder _ = UndeletableFolder.at(models.folder("a"))) {
            assertThatThrownBy(() -> models.write("a", model, bytes, null))
                    .isInstanceOf(TrainException.class)
                    .hasMessageStartingWith(
                            models.folder("a") + " is written, but the older one cannot be deleted: " + folder);
            assertThat(models.folder("a").resolve("config.json")).exists();
        }
    }
}
