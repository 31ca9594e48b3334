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
 * What a resumed run may not change unawares: everything that its results depend on, from the configuration to the
 * number of threads.
 */
public final class ResumeCompatibility {

    /** What steers reports and checkpoints but no result. */
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
     * Refuses changes that were not allowed.
     *
     * @param before those of the checkpoint
     * @param configuration that of the checkpoint, with defaults for keys that it did not know
     * @param now those of the run that is to go on
     * @param allowed keys that may change, and with them those below them
     * @param leads whether this is the first process, whose machine the checkpoint tells of; others may be on unlike ones
     */
    public static void refuse(
            TrainingState.Circumstances before,
            RunConfig configuration,
            TrainingState.Circumstances now,
            Set<String> allowed,
            boolean leads) {
        Map<String, String> old = keys(before, ConfigWriter.toJson(configuration));
        Map<String, String> given = keys(now, now.configuration());
        // Other processes add in another order, and another precision rounds elsewhere: bits may differ anyway, so that
        // threads and instructions do not matter either.
        if (!leads
                || !before.layout().equals(now.layout())
                || !Objects.equals(old.get(PRECISION), given.get(PRECISION))) {
            Stream.of(THREADS, INSTRUCTION_SET).forEach(key -> old.put(key, given.getOrDefault(key, "")));
        }
        String instructions = given.getOrDefault(INSTRUCTION_SET, "");
        if (instructions.startsWith(old.get(INSTRUCTION_SET) + "/")) {
            // A checkpoint from before oneDNN's were recorded: what it does not tell is not compared.
            old.put(INSTRUCTION_SET, instructions);
        }
        List<String> changes = new ArrayList<>();
        Set<String> known = new HashSet<>(old.keySet());
        known.addAll(given.keySet());
        for (String key : allowed) {
            if (known.stream().noneMatch(name -> isIn(name, key))) {
                throw new TrainException("--allow-change " + key + ": there is no such key; those that may matter are "
                        + known.stream().filter(name -> !isFree(name)).sorted().collect(Collectors.joining(", ")));
            }
        }
        for (String key : known.stream().sorted().toList()) {
            String was = old.getOrDefault(key, "not set");
            String is = given.getOrDefault(key, "not set");
            if (!was.equals(is) && !isFree(key) && allowed.stream().noneMatch(name -> isIn(key, name))) {
                changes.add(key + " was " + was + " and is now " + is);
            }
        }
        if (!changes.isEmpty()) {
            String first = changes.getFirst();
            throw new TrainException("--resume: " + String.join("; ", changes)
                    + "; the run would no longer be the one that it was: set it back, or add --allow-change "
                    + first.substring(0, first.indexOf(' ')));
        }
    }

    private static boolean isFree(String key) {
        return FREE.stream().anyMatch(free -> isIn(key, free));
    }

    private static boolean isIn(String key, String parent) {
        return key.equals(parent) || key.startsWith(parent + ".");
    }

    private static Map<String, String> keys(TrainingState.Circumstances state, JsonNode configuration) {
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
