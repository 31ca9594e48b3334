package dev.moe4j.train.checkpoint;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.model.checkpoint.CheckpointConfig;
import dev.moe4j.model.checkpoint.CheckpointState;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.optimizer.LossScale;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The state of a training run: a checkpoint's state.json, one flat object whose keys are explained in
 * docs/checkpoint-format.md. Together with the parameters and the optimizer's moments it determines the rest of the
 * run.
 *
 * @param run the part that stays the same from step to step
 * @param position the part that changes
 */
public record TrainingState(RunInputs run, Position position) {

    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .build();

    /**
     * The inputs of a run. Its results depend on nothing else.
     *
     * @param steps length of the complete run, which the schedule depends on
     * @param configuration the resolved {@link RunConfig}
     */
    public record RunInputs(
            int formatVersion,
            long steps,
            long seed,
            JsonNode configuration,
            Data data,
            Layout layout,
            Machine machine) {

        public RunInputs {
            if (steps < 1) {
                throw new TrainException("steps: " + steps + " is not above 0");
            }
        }

        /**
         * Returns the inputs of a run on this machine.
         *
         * @param data SHA-256 of the data
         */
        public static RunInputs of(RunConfig config, String data, long steps, dev.moe4j.parallel.layout.Layout layout) {
            return new RunInputs(
                    CheckpointConfig.FORMAT_VERSION,
                    steps,
                    config.seed(),
                    ConfigWriter.toJson(config),
                    new Data(data),
                    new Layout(layout.world(), layout.expertParallel()),
                    new Machine(Libtorch.threads(), Libtorch.instructionSet()));
        }
    }

    /**
     * The progress of a run.
     *
     * @param step finished steps
     * @param updates steps that updated the parameters, that is, all but the skipped ones
     * @param tokens tokens trained on
     * @param sequences the global number of the next sequence
     * @param seconds seconds of training, summed over all starts of the run
     * @param metrics the losses so far
     * @param lossScale loss scaling state of the next step, in fp16; null otherwise
     * @param spikes the spike guard's state
     * @param balance the last step's fractions of first choices, {@code [MoE layers][experts]}; empty if none are kept
     */
    public record Position(
            long step,
            long updates,
            long tokens,
            long sequences,
            double seconds,
            Losses metrics,
            LossScale.@Nullable State lossScale,
            SpikeGuard.State spikes,
            List<List<Double>> balance) {

        public static final Position START =
                new Position(0, 0, 0, 0, 0, new Losses(0, null), null, SpikeGuard.State.START, List.of());

        public Position {
            if (step < 0 || updates < 0 || updates > step || tokens < 0 || sequences < 0 || !(seconds >= 0)) {
                throw new TrainException(
                        "step, updates, tokens, sequences and seconds are negative or inconsistent; use an older checkpoint");
            }
            balance = balance.stream().map(List::copyOf).toList();
        }

        /** Returns the position of a run from its trainer's state. */
        public static Position of(TrainerState state, long tokens, double seconds, Losses metrics) {
            return new Position(
                    state.step(),
                    state.updates(),
                    tokens,
                    state.sequences(),
                    seconds,
                    metrics,
                    state.lossScale(),
                    state.spikes(),
                    state.balance());
        }

        public TrainerState trainer() {
            return new TrainerState(step, updates, sequences, lossScale, spikes, balance);
        }
    }

    /**
     * The losses of a run so far.
     *
     * @param loss the loss of the last step, in nats per token
     * @param best the best validation loss; null before the first evaluation
     */
    public record Losses(double loss, @Nullable BestEvaluation best) {}

    /** The hash of the data's manifest, or of the manifests of its sources. */
    record Data(String sha256) {}

    /** The number of processes, and the expert parallelism. */
    record Layout(int world, int expert) {}

    /** The machine properties that bitwise reproducibility depends on. */
    record Machine(int threads, String instructionSet) {}

    /** Size and hash of a file of the checkpoint. */
    record Stored(long bytes, String sha256) {}

    /**
     * Parses a checkpoint's state.
     *
     * @param json the contents of state.json, with verified checksums
     * @param folder the checkpoint's folder, for messages
     * @throws TrainException if the state is newer than this program or not valid
     */
    public static TrainingState of(JsonNode json, Path folder) {
        String file = folder.resolve(CheckpointState.FILE).toString();
        int version = json.path("format_version").asInt(0);
        if (version > CheckpointConfig.FORMAT_VERSION) {
            throw new TrainException(file + ": format_version " + version + " is newer than this program's "
                    + CheckpointConfig.FORMAT_VERSION + "; use a newer moe4j");
        }
        try {
            return new TrainingState(part(json, RunInputs.class), part(json, Position.class));
        } catch (JacksonException e) {
            Throwable cause = e.getCause() instanceof TrainException ours ? ours : e;
            String message =
                    String.valueOf(cause.getMessage()).lines().findFirst().orElse("");
            throw new TrainException(file + ": " + message, e);
        }
    }

    private static <R extends Record> R part(JsonNode json, Class<R> type) {
        List<String> keys =
                Arrays.stream(type.getRecordComponents()).map(ConfigWriter::key).toList();
        return JSON.treeToValue(json.deepCopy().asObject().retain(keys), type);
    }

    /**
     * The text of state.json.
     *
     * @param files the checkpoint's other files by name
     */
    String text(Map<String, Stored> files) {
        ObjectNode state = JSON.createObjectNode();
        state.setAll(JSON.<ObjectNode>valueToTree(run));
        state.setAll(JSON.<ObjectNode>valueToTree(position));
        state.set("files", JSON.valueToTree(files));
        return CheckpointState.text(state);
    }
}
