package dev.moe4j.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Reads a checkpoint of format version 1, which a release before version 2 wrote: a mixture of four experts after four
 * steps on bytes of text.
 */
class OldCheckpointTest {

    private static final double RECORDED = 6.325504332780838;
    private static final long END_OF_TEXT = 256;

    private static Path version1() throws URISyntaxException {
        return Path.of(Objects.requireNonNull(OldCheckpointTest.class.getResource("/checkpoints/version-1"))
                .toURI());
    }

    @Test
    void hasThePublishedBlock() throws URISyntaxException {
        try (CheckpointReader reader = CheckpointReader.open(version1())) {
            assertThat(reader.architecture().model().hasPublishedBlock()).isTrue();
            assertThat(reader.architecture().model().denseLayers()).isEmpty();
            assertThat(reader.architecture().routing().gate()).isEqualTo(GateConfig.PUBLISHED);
        }
    }

    /** The loss per token that {@code eval perplexity} of version 1 printed for this text. */
    @Test
    void givesTheLossOfItsRelease() throws URISyntaxException {
        long[] tokens = "First Citizen:\nB".chars().asLongStream().toArray();
        long[] targets = Arrays.copyOfRange(tokens, 1, tokens.length + 1);
        targets[tokens.length - 1] = END_OF_TEXT;
        try (CheckpointReader reader = CheckpointReader.open(version1());
                Scope _ = Scope.open();
                LanguageModel model = reader.model(Precision.FP32, Device.CPU);
                Tape tape = Tape.inference()) {
            reader.readStates(model.parameters(), List.of("exp_avg", "exp_avg_sq"));
            LossReport report = model.loss(tape, new TokenBatch(tokens, targets, 1), PassContext.evaluation(1));
            double mean = report.nll().tensor().mean().item();
            assertThat(mean).isCloseTo(RECORDED, within(1e-5));
        }
    }

    /** A key that version 1 had is required in a file of version 1. */
    @Test
    void stillNeedsTheKeysOfItsVersion(@TempDir Path folder) throws IOException, URISyntaxException {
        String config = Files.readString(version1().resolve("config.json"), StandardCharsets.UTF_8);
        Files.writeString(folder.resolve("config.json"), config.replace("\"expert_every\" : 2,", ""));
        assertThatThrownBy(() -> CheckpointConfig.read(folder))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("the key moe4j.model.expert_every is missing");
    }

    /** A key of version 2 is required in a file of version 2. */
    @Test
    void newFilesNeedTheNewKeys(@TempDir Path folder) throws IOException, URISyntaxException {
        String config = Files.readString(version1().resolve("config.json"), StandardCharsets.UTF_8);
        Files.writeString(
                folder.resolve("config.json"), config.replace("\"format_version\" : 1", "\"format_version\" : 2"));
        assertThatThrownBy(() -> CheckpointConfig.read(folder))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("is missing");
    }
}
