package dev.moe4j.report;

import dev.moe4j.study.steps.StudyFolder;
import dev.moe4j.study.steps.StudyIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a synthetic study. Dense models have perplexity 30 · cost^−0.1 with the cost in units of 1e12 FLOPs. Mixtures
 * reach the same perplexity with half of the FLOPs, but each FLOP takes 1.5 times as long. Mixtures are fine-tuned twice:
 * all weights, and with frozen experts.
 */
final class SampleStudy {

    static final double GAIN = 2;

    private static final JsonMapper JSON = new JsonMapper();
    private static final List<String> IN = List.of("news", "novels");
    private static final List<String> OUT = List.of("law", "plays");

    private SampleStudy() {}

    /**
     * Writes the study.
     *
     * @param noise relative deviation of perplexities between seeds
     */
    static Path write(Path folder, int seeds, double noise, String name) throws IOException {
        List<StudyIndex.Run> runs = new ArrayList<>();
        for (int size = 0; size < 4; size++) {
            for (int experts : new int[] {0, 8}) {
                for (int seed = 1; seed <= seeds; seed++) {
                    runs.add(run(folder, size, experts, seed, noise, name));
                }
            }
        }
        result(folder, "overlap", 1, overlap());
        StudyIndex index = new StudyIndex("Sample " + name, "2 cores", 10, 1, IN, OUT, runs);
        Files.writeString(folder.resolve(StudyIndex.FILE), JSON.writeValueAsString(index));
        return folder;
    }

    private static StudyIndex.Run run(Path folder, int size, int experts, int seed, double noise, String name)
            throws IOException {
        long tokens = 1_000_000;
        double flopsPerToken = 1e6 * Math.pow(2, size);
        double flops = tokens * flopsPerToken;
        double effective = experts == 0 ? flops : GAIN * flops;
        double perplexity = 30 * Math.pow(effective / 1e12, -0.1) * (1 + noise * (seed - 1.5));
        String key = size + "-" + experts + "-" + seed;
        result(
                folder,
                "train-" + key,
                flops / 1e11 * (experts == 0 ? 1 : 1.5),
                JSON.createObjectNode().put("loss", Math.log(perplexity)));
        result(folder, "perplexity-" + key, 1, texts(perplexity, experts));
        result(folder, "zero-" + key, 1, tasks(0.5 + size * 0.05 + (experts == 0 ? 0 : 0.02), "piqa", "cb"));
        result(folder, "bias-" + key, 1, tasks(0.55, "crows_pairs"));
        fineTuned(folder, "finetune-" + key, 0.6, "--epochs=2");
        fineTuned(folder, "finetune-frozen-" + key, 0.7, "--epochs=2", "--freeze-experts");
        return new StudyIndex.Run(
                (experts == 0 ? "dense " : "8 experts ") + size + name,
                "english",
                "prepare-1",
                "gpt2:2048",
                experts,
                experts == 0 ? 400_000 : 1_000_000,
                400_000,
                flopsPerToken,
                experts == 0 ? 0 : 0.01 * flopsPerToken,
                1.3 * flopsPerToken,
                "model:\n  width: 64\n",
                tokens,
                seed,
                "train-" + key,
                "overlap",
                "perplexity-" + key,
                "zero-" + key,
                null,
                "bias-" + key,
                seed > 1
                        ? List.of()
                        : experts == 0
                                ? List.of("finetune-" + key)
                                : List.of("finetune-" + key, "finetune-frozen-" + key));
    }

    private static void fineTuned(Path folder, String step, double accuracy, String... options) throws IOException {
        ObjectNode output = JSON.createObjectNode().put("task", "cb").put("figure", "accuracy");
        output.put("chance", 0.33).put("learning_rate", 3e-4);
        output.set("zero_shot", figure(0.4));
        output.set("fine_tuned", figure(accuracy));
        result(folder, step, 1, output);
        ArrayNode words = JSON.createArrayNode();
        List.of(options).forEach(words::add);
        ObjectNode identity = JSON.createObjectNode();
        identity.set("options", words);
        Files.writeString(
                folder.resolve("steps").resolve(step).resolve("identity.json"), JSON.writeValueAsString(identity));
    }

    private static void result(Path folder, String step, double seconds, ObjectNode output) throws IOException {
        Path to = Files.createDirectories(folder.resolve("steps").resolve(step));
        Files.writeString(
                to.resolve("result.json"), JSON.writeValueAsString(new StudyFolder.Result(seconds, null, output)));
    }

    private static ObjectNode texts(double perplexity, int experts) {
        ObjectNode output = JSON.createObjectNode();
        ArrayNode sets = output.putArray("sets");
        double factor = 0.8;
        for (String name : List.of("news", "novels", "law", "plays")) {
            ObjectNode set = sets.addObject();
            set.put("name", name).put("ppl", factor * perplexity).put("bits_per_byte", 2.1);
            ArrayNode load = set.putArray("expert_load");
            for (int layer = 1; experts > 0 && layer < 4; layer += 2) {
                ArrayNode each = load.addObject().put("layer", layer).putArray("load");
                for (int expert = 0; expert < experts; expert++) {
                    each.add(expert == sets.size() ? 2.5 : 0.7);
                }
            }
            factor += factor < 1 ? 0.4 : 0.6;
        }
        return output;
    }

    /** {@code news} overlaps with the training text, and {@code plays} was not checked. */
    private static ObjectNode overlap() {
        ObjectNode output = JSON.createObjectNode().put("words", 13);
        ArrayNode texts = output.putArray("texts");
        texts.addObject().put("name", "news").put("share", 0.034);
        texts.addObject().put("name", "novels").put("share", 0.0004);
        texts.addObject().put("name", "law").put("share", 0.0);
        return output;
    }

    private static ObjectNode tasks(double accuracy, String... names) {
        ObjectNode output = JSON.createObjectNode();
        ArrayNode tasks = output.putArray("tasks");
        for (String name : names) {
            ObjectNode task = tasks.addObject();
            task.put("task", name)
                    .put("shots", 0)
                    .put("runs", 1)
                    .put("questions", 300)
                    .put("left_out", name.equals("cb") ? 2 : 0)
                    .put("cut_prompts", name.equals("cb") ? 3 : 0)
                    .put("chance", 0.5);
            task.putArray("figures").add(figure(accuracy));
        }
        return output;
    }

    private static ObjectNode figure(double mean) {
        ObjectNode figure = JSON.createObjectNode();
        figure.put("name", "accuracy").put("mean", mean).put("low", mean - 0.05).put("high", mean + 0.05);
        figure.putNull("deviation");
        return figure;
    }
}
