package dev.moe4j.study.ladder;

import dev.moe4j.data.shard.Manifest;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Plans the {@code prepare} steps of a ladder's training and evaluation texts. */
final class TextSteps {

    private final Path file;
    private final Path root;
    private final Path folder;
    private final int threads;
    private final UnaryOperator<Step> add;
    private final Map<List<String>, String> digests = new HashMap<>();

    /**
     * @param file the ladder file, for messages
     * @param root folder of the data
     * @param folder folder of the steps
     * @param threads threads of each step
     * @param add adds a step to the plan and returns it, or returns the equal step that was added before
     */
    TextSteps(Path file, Path root, Path folder, int threads, UnaryOperator<Step> add) {
        this.file = file;
        this.root = root;
        this.folder = folder;
        this.threads = threads;
        this.add = add;
    }

    /**
     * A text in prepared form.
     *
     * @param folder folder of its shards
     * @param key identifies its content
     * @param as how it is prepared; evaluation texts are prepared in the same way
     * @param options further options of {@code prepare} that a ladder has no keys for; only those that differ from the
     *     defaults
     * @param vocabulary size of its tokenizer's vocabulary
     * @param step the step that prepares it; null if it exists already
     */
    record Prepared(
            Path folder,
            String key,
            Ladder.Text as,
            List<String> options,
            int vocabulary,
            @Nullable Step step) {
        List<Step> needs() {
            return step == null ? List.of() : List.of(step);
        }
    }

    /**
     * A text that was prepared before the study.
     *
     * @param key the ladder's key, for messages
     * @param path its folder, relative to the data folder
     */
    Prepared existing(String key, String path) {
        Path shards = root.resolve(path);
        require(key, shards);
        Manifest manifest = Manifest.read(shards);
        Manifest.Options made = manifest.options();
        String tokenizer = manifest.tokenizer().spec();
        Ladder.Text as = new Ladder.Text(
                List.of(),
                path,
                tokenizer.equals(Tokenizer.FILE) ? shards.resolve(tokenizer).toString() : tokenizer,
                word(made.splitting()),
                made.transform() == TextTransform.COLLAPSE_SPACES);
        // An adopted folder lacks a preparation plan: its manifest's options are defaults, not facts.
        List<String> options = manifest.work().plan().isEmpty() ? List.of() : options(made);
        return new Prepared(
                shards, manifest.sha256(), as, options, manifest.tokenizer().vocabulary(), null);
    }

    private static List<String> options(Manifest.Options made) {
        List<String> words = new ArrayList<>();
        if (made.format() != TextFormat.AUTO) {
            words.add("--format=" + word(made.format()));
        }
        if (!made.field().equals("text")) {
            words.add("--field=" + made.field());
        }
        if (made.onError() != OnError.FAIL) {
            words.add("--on-error=" + word(made.onError()));
        }
        if (made.documentBytes() != Limits.DEFAULT.documentBytes()) {
            words.add("--max-document=" + Math.ceilDiv(made.documentBytes(), 1L << 20));
        }
        return words;
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Plans a step that prepares a training text. */
    Prepared prepare(String key, String title, Ladder.Text text) {
        return prepare(key, title, text.inputs(), text, List.of());
    }

    /** Plans a step that prepares {@code input} with the options of {@code other}. */
    Prepared prepareLike(Prepared other, String key, String title, String input) {
        return prepare(key, title, List.of(input), other.as(), other.options());
    }

    /**
     * Plans a step that prepares a text. Reads the text once, for its checksum.
     *
     * @param key the ladder's key, for messages
     * @param title the text's name, for people
     * @param inputs paths and patterns, relative to the data folder
     * @param as how to prepare it
     * @param options further options of {@code prepare}
     */
    private Prepared prepare(String key, String title, List<String> inputs, Ladder.Text as, List<String> options) {
        List<String> paths =
                inputs.stream().map(input -> root.resolve(input).toString()).toList();
        for (String path : paths) {
            if (!path.matches(".*[*?\\[{].*")) {
                require(key, Path.of(path));
            }
        }
        TextInput input = TextInput.ofNames(paths);
        Tokenizer tokenizer = Tokenizer.of(as.tokenizer());
        ObjectNode identity = Step.object();
        identity.put("text", digests.computeIfAbsent(paths, _ -> input.sha256()));
        identity.put("tokenizer", tokenizer.hash());
        identity.put("split", as.split());
        identity.put("collapse_spaces", as.collapseSpaces());
        if (!options.isEmpty()) { // without options, the step keeps the name from before options existed
            ArrayNode words = identity.putArray("options");
            options.forEach(words::add);
        }
        Path to = Step.folder(folder, Step.Kind.PREPARE, identity);
        Path shards = to.resolve("shards");
        List<String> command = new ArrayList<>(List.of(
                "prepare",
                "--tokenizer=" + as.tokenizer(),
                "--split=" + as.split(),
                "--threads=" + threads,
                "--out=" + shards,
                "--overwrite", // complete data may exist whose result was not written
                "--json"));
        if (as.collapseSpaces()) {
            command.add("--collapse-spaces");
        }
        command.addAll(options);
        command.addAll(paths);
        Step step = add.apply(
                new Step(Step.Kind.PREPARE, "prepare " + title, identity, to, command, List.of(), input.bytes(), 0));
        return new Prepared(shards, step.name(), as, options, tokenizer.vocabularySize(), step);
    }

    /**
     * Rejects a ladder that names a missing path.
     *
     * @param key the ladder's key, for the message
     */
    void require(String key, Path path) {
        if (!Files.exists(path)) {
            throw new StudyException(file + ": " + key + ": " + path
                    + " does not exist; fix the ladder, or set the data folder with --data");
        }
    }
}
