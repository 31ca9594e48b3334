package dev.moe4j.train.checkpoint;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Checks that a resumed run gives the same results as the run that wrote the checkpoint. Results depend on most of the
 * configuration, on the data, and on the machine's threads and instruction set.
 */
public final class ResumeCompatibility {

    /** Keys that do not affect results. */
    private static final Set<String> FREE = Set.of(
            "preset",
            "log",
            "checkpoint",
            "evaluation",
            "recompute",
            "watch.imbalance",
            "watch.window",
            "parallel.expert",
            "parallel.overlap",
            "parallel.shard");

    private static final String PRECISION = "precision";
    private static final String THREADS = "threads";
    private static final String INSTRUCTION_SET = "instruction_set";

    private ResumeCompatibility() {}

    /**
     * Refuses changes that affect results, unless they are allowed.
     *
     * @param before the inputs of the run that wrote the checkpoint
     * @param configuration the checkpoint's configuration, with defaults for keys that are newer than the checkpoint
     * @param now the inputs of the resumed run
     * @param allowed keys that may change, together with all keys below them
     * @param leads whether this is the first process, whose machine the checkpoint records; the others may run on
     *     different machines
     * @throws TrainException if a key has changed that is not allowed to, or an allowed key does not exist
     */
    public static void refuse(
            TrainingState.RunInputs before,
            RunConfig configuration,
            TrainingState.RunInputs now,
            Set<String> allowed,
            boolean leads) {
        Map<String, String> old = keys(before, ConfigWriter.toJson(configuration));
        Map<String, String> given = keys(now, now.configuration());
        // Another number of processes sums in another order, and another precision rounds differently. The bits may
        // then differ anyway, so threads and instruction set do not matter.
        if (!leads
                || !before.layout().equals(now.layout())
                || !Objects.equals(old.get(PRECISION), given.get(PRECISION))) {
            Stream.of(THREADS, INSTRUCTION_SET).forEach(key -> old.put(key, given.getOrDefault(key, "")));
        }
        String instructions = given.getOrDefault(INSTRUCTION_SET, "");
        if (instructions.startsWith(old.get(INSTRUCTION_SET) + "/")) {
            // The checkpoint is older than the record of oneDNN's instruction set, so this part is not compared.
            old.put(INSTRUCTION_SET, instructions);
        }
        List<String> changes = new ArrayList<>();
        Set<String> known = new HashSet<>(old.keySet());
        known.addAll(given.keySet());
        for (String key : allowed) {
            if (known.stream().noneMatch(name -> isIn(name, key))) {
                throw new TrainException("allowed change " + key
                        + ": there is no such key; the keys that affect results are "
                        + known.stream().filter(name -> !isFree(name)).sorted().collect(Collectors.joining(", ")));
            }
        }
        for (String key : known.stream().sorted().toList()) {
            String oldValue = old.getOrDefault(key, "not set");
            String newValue = given.getOrDefault(key, "not set");
            if (!oldValue.equals(newValue) && !isFree(key) && allowed.stream().noneMatch(name -> isIn(key, name))) {
                changes.add(key + " was " + oldValue + " and is now " + newValue);
            }
        }
        if (!changes.isEmpty()) {
            String key = changes.getFirst().replaceFirst(" .*", "");
            throw TrainException.changed(
                    "cannot resume: " + String.join("; ", changes)
                            + "; this would change the results: restore the old value, or allow the change of " + key,
                    key);
        }
    }

    private static boolean isFree(String key) {
        return FREE.stream().anyMatch(free -> isIn(key, free));
    }

    private static boolean isIn(String key, String parent) {
        return key.equals(parent) || key.startsWith(parent + ".");
    }

    private static Map<String, String> keys(TrainingState.RunInputs state, JsonNode configuration) {
        Map<String, String> keys = new TreeMap<>();
        flatten("", configuration, keys);
        keys.put("steps", Long.toString(state.steps()));
        keys.put("data", state.data().sha256());
        keys.put(THREADS, Integer.toString(state.machine().threads()));
        keys.put(INSTRUCTION_SET, state.machine().instructionSet());
        return keys;
    }

    private static void flatten(String path, JsonNode node, Map<String, String> keys) {
        if (node.isObject() && !node.isEmpty()) {
            node.properties()
                    .forEach(entry -> flatten(
                            path.isEmpty() ? entry.getKey() : path + "." + entry.getKey(), entry.getValue(), keys));
        } else {
            keys.put(path, node.isString() ? node.asString() : node.toString());
        }
    }
}
