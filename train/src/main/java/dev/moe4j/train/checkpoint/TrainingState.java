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
 * Where training stood: a checkpoint's state.json, one flat object whose keys docs/checkpoint-format.md explains. With
 * the parameters and the optimizer's moments it is all that the rest of a run depends on.
 *
 * @param run what stays the same from step to step
 * @param position what does not
 */
public record TrainingState(Circumstances run, Position position) {

    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .build();

    /**
     * What a run is.
     *
     * @param steps of the whole run, on which the schedule depends
     * @param configuration the resolved {@link RunConfig}
     */
    public record Circumstances(
            int formatVersion,
            long steps,
            long seed,
            JsonNode configuration,
            Data data,
            Layout layout,
            Machine machine) {

        public Circumstances {
            if (steps < 1) {
                throw new TrainException("steps: " + steps + " is not above 0");
            }
        }

        /**
         * Those of a run on this machine.
         *
         * @param data SHA-256 of the data
         */
        public static Circumstances of(
                RunConfig config, String data, long steps, dev.moe4j.parallel.layout.Layout layout) {
            return new Circumstances(
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
     * How far a run is.
     *
     * @param step finished steps
     * @param updates steps that changed the parameters: those that were not skipped
     * @param tokens trained on
     * @param sequences the global number of the next sequence
     * @param seconds of training, over all processes that took part one after another
     * @param lossScale of the next step, in fp16; null otherwise
     * @param spikes what tells an outlier
     * @param balance the last step's fractions of first choices, {@code [MoE layers][experts]}; empty where none are kept
     */
    public record Position(
            long step,
            long updates,
            long tokens,
            long sequences,
            double seconds,
            Figures metrics,
            LossScale.@Nullable State lossScale,
            SpikeGuard.State spikes,
            List<List<Double>> balance) {

        public static final Position START =
                new Position(0, 0, 0, 0, 0, new Figures(0, null), null, SpikeGuard.State.START, List.of());

        public Position {
            if (step < 0 || updates < 0 || updates > step || tokens < 0 || sequences < 0 || !(seconds >= 0)) {
                throw new TrainException("step, updates, tokens, sequences or seconds cannot be what they are");
            }
            balance = balance.stream().map(List::copyOf).toList();
        }

        /** The position of a run whose trainer has this state. */
        public static Position of(TrainerState state, long tokens, double seconds, Figures metrics) {
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
     * @param loss of the last step, nats per token
     * @param best of the validation losses so far; null before the first
     */
    public record Figures(double loss, @Nullable BestEvaluation best) {}

    /** Of the data's manifest, or of those of its sources. */
    record Data(String sha256) {}

    /** How many processes took part, and over how many experts are spread. */
    record Layout(int world, int expert) {}

    /** What makes losses repeat bit for bit. */
    record Machine(int threads, String instructionSet) {}

    /** A file of the checkpoint. */
    record Stored(long bytes, String sha256) {}

    /**
     * The state that a checkpoint holds.
     *
     * @param json with its checksums verified
     * @param folder the checkpoint's, for messages
     */
    public static TrainingState of(JsonNode json, Path folder) {
        String file = folder.resolve(CheckpointState.FILE).toString();
        int version = json.path("format_version").asInt(0);
        if (version > CheckpointConfig.FORMAT_VERSION) {
            throw new TrainException(file + ": format_version " + version + " is newer than this program's "
                    + CheckpointConfig.FORMAT_VERSION + "; use a newer moe4j");
        }
        try {
            return new TrainingState(part(json, Circumstances.class), part(json, Position.class));
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

    /** The text of state.json beside these files. */
    String text(Map<String, Stored> files) {
        ObjectNode state = JSON.createObjectNode();
        state.setAll(JSON.<ObjectNode>valueToTree(run));
        state.setAll(JSON.<ObjectNode>valueToTree(position));
        state.set("files", JSON.valueToTree(files));
        return CheckpointState.text(state);
    }
}
