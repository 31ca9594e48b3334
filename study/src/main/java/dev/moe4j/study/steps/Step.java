package dev.moe4j.study.steps;

import dev.moe4j.base.digest.Sha256;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * One command of a study, run as a process of its own. What decides its result is its identity, and the SHA-256 over that
 * is its name: equal steps are one step, and what is finished under a name is never done again.
 *
 * @param title for people
 * @param identity everything that its result depends on
 * @param folder where its log, its result and its own files go
 * @param command arguments of {@code moe4j}
 * @param needs what must be finished first
 * @param work how long it takes, in a unit that steps of one kind share
 * @param total what its progress counts up to; 0 where that is not known
 */
public record Step(
        Kind kind,
        String title,
        ObjectNode identity,
        Path folder,
        List<String> command,
        List<Step> needs,
        double work,
        long total) {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int SHORT = 16;

    /** What a step does; an earlier kind is preferred where several could start. */
    public enum Kind {
        PREPARE,
        TRAIN,
        PERPLEXITY,
        TASKS,
        FINETUNE,
        OVERLAP;

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public Step {
        command = List.copyOf(command);
        needs = List.copyOf(needs);
    }

    /** The name: kind and the beginning of the identity's SHA-256. */
    public String name() {
        return folder.getFileName().toString();
    }

    /** The folder, below {@code steps}, of a step with that identity. */
    public static Path folder(Path steps, Kind kind, ObjectNode identity) {
        return steps.resolve(kind.word() + "-"
                + Sha256.of(kind.word() + JSON.writeValueAsString(identity)).substring(0, SHORT));
    }

    public static ObjectNode object() {
        return JSON.createObjectNode();
    }
}
