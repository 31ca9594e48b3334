package dev.moe4j.study.steps;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.file.ProcessLock;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A study's folder: {@code study.json}, and {@code steps/NAME/} with {@code identity.json}, {@code log.txt}, what the
 * step's command writes and, once it is done, {@code result.json}. One process at a time has it; the system gives it free
 * when that dies.
 */
public final class StudyFolder implements AutoCloseable {

    private static final JsonMapper JSON = new JsonMapper();
    private static final String RESULT = "result.json";
    private static final String IDENTITY = "identity.json";
    private static final String LOCK = ".lock";

    private final Path path;
    private final ProcessLock lock;

    private StudyFolder(Path path, ProcessLock lock) {
        this.path = path;
        this.lock = lock;
    }

    /**
     * What a finished step leaves.
     *
     * @param seconds its command took, over all attempts for training, whose command knows; else of the last one
     * @param joules measured, over all attempts; null where the machine does not measure
     * @param output what its command printed
     */
    public record Result(double seconds, @Nullable Double joules, JsonNode output) {}

    /**
     * Creates the folder where it is missing and locks it.
     *
     * @throws StudyException if another process has it
     */
    public static StudyFolder lock(Path path) {
        try {
            Files.createDirectories(path.resolve("steps"));
            return new StudyFolder(
                    path,
                    ProcessLock.tryAcquire(path.resolve(LOCK))
                            .orElseThrow(() -> new StudyException(
                                    path + " is in use by another study; wait for it, or give another --out")));
        } catch (IOException e) {
            throw new StudyException("cannot write the study to " + path + ": " + DataException.reason(e), e);
        }
    }

    /** A finished step's result, in whatever study's folder; empty where it is not finished. */
    public static Optional<Result> result(Path step) {
        Path file = step.resolve(RESULT);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JSON.readValue(Files.readString(file), Result.class));
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; delete it, and `study` runs the step again", e);
        }
    }

    /** Files a result: all of it or nothing. */
    public void finish(Step step, Result result) {
        write(step.folder().resolve(RESULT), result);
    }

    public void writeIndex(StudyIndex index) {
        write(path.resolve(StudyIndex.FILE), index);
    }

    /** Whether a file is what {@link #index} reads of some study. */
    public static boolean isIndex(Path file) {
        return file.getFileName().toString().equals(StudyIndex.FILE)
                && Files.exists(file)
                && Files.isDirectory(file.resolveSibling("steps"));
    }

    /** Reads what a study consists of. */
    public static StudyIndex index(Path study) {
        Path file = study.resolve(StudyIndex.FILE);
        if (!Files.exists(file)) {
            throw new StudyException(
                    study + " has no " + StudyIndex.FILE + ", so it is no study's folder; name one that `study` wrote");
        }
        try {
            return JSON.readValue(Files.readString(file), StudyIndex.class);
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; run `study` with its ladder again", e);
        }
    }

    /** Makes a step's folder, with the identity that its name stands for. */
    public void begin(Step step) {
        try {
            Files.createDirectories(step.folder());
        } catch (IOException e) {
            throw new StudyException("cannot create " + step.folder() + ": " + DataException.reason(e), e);
        }
        write(step.folder().resolve(IDENTITY), step.identity());
    }

    /** What a step's name stands for; an empty object where the folder does not have it. */
    public static JsonNode identity(Path step) {
        Path file = step.resolve(IDENTITY);
        if (!Files.exists(file)) {
            return Step.object();
        }
        try {
            return JSON.readTree(Files.readString(file));
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; delete it, as reports do without it", e);
        }
    }

    private static void write(Path file, Object value) {
        try {
            AtomicFile.write(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n");
        } catch (IOException e) {
            throw new StudyException("cannot write " + file + ": " + DataException.reason(e), e);
        }
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw new StudyException("cannot release " + path.resolve(LOCK) + ": " + DataException.reason(e), e);
        }
    }
}
