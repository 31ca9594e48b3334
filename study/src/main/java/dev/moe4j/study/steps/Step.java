package dev.moe4j.study.steps;

import dev.moe4j.base.digest.Sha256;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * One {@code moe4j} command of a study, which runs as a child process. The identity holds everything that the result
 * depends on. The step's name is a hash of the identity, so equal steps are one step, and a finished step never runs again.
 *
 * @param kind the kind of step
 * @param title the step's description for people
 * @param identity everything that the result depends on
 * @param folder folder of the step's log, result and files
 * @param command arguments of {@code moe4j}
 * @param needs steps that must finish first
 * @param work expected duration, in a unit common to all steps of one kind
 * @param total number of optimizer steps of a training; 0 for other kinds
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

    /** The kind of a step. If several steps could start, the earliest kind starts first. */
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

    /** The name: the kind and the first 16 digits of the identity's SHA-256. */
    public String name() {
        return folder.getFileName().toString();
    }

    /** The folder below {@code steps} of a step with this kind and identity. */
    public static Path folder(Path steps, Kind kind, ObjectNode identity) {
        return steps.resolve(kind.word() + "-"
                + Sha256.of(kind.word() + JSON.writeValueAsString(identity)).substring(0, SHORT));
    }

    /** A new empty JSON object. */
    public static ObjectNode object() {
        return JSON.createObjectNode();
    }
}
