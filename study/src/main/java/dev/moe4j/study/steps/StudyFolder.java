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
 * A study's folder, locked by this process. It holds {@code study.json} and one folder {@code steps/NAME/} per step. A
 * step's folder holds {@code identity.json}, {@code log.txt}, the files that the command writes and, once the step has
 * finished, {@code result.json}. The operating system releases the lock if the process dies.
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
     * The result of a finished step.
     *
     * @param seconds duration of the command: over all attempts for training, of the last attempt for other kinds
     * @param joules measured energy over all attempts; null if the machine does not measure energy
     * @param output the JSON that the command printed
     */
    public record Result(double seconds, @Nullable Double joules, JsonNode output) {}

    /**
     * Locks the folder. Creates it if it is missing.
     *
     * @throws StudyException if another process holds the lock, or the folder cannot be written
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

    /**
     * Reads a step's result. Needs no lock.
     *
     * @param step the step's folder
     * @return empty if the step has not finished
     * @throws StudyException if the result cannot be read
     */
    public static Optional<Result> result(Path step) {
        Path file = step.resolve(RESULT);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JSON.readValue(Files.readString(file), Result.class));
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; delete it and run `study` again to repeat the step", e);
        }
    }

    /** Writes a step's result atomically. The step counts as finished from then on. */
    public void finish(Step step, Result result) {
        write(step.folder().resolve(RESULT), result);
    }

    /** Writes {@code study.json} atomically. */
    public void writeIndex(StudyIndex index) {
        write(path.resolve(StudyIndex.FILE), index);
    }

    /** Whether a file is the {@code study.json} of a study. */
    public static boolean isIndex(Path file) {
        return file.getFileName().toString().equals(StudyIndex.FILE)
                && Files.exists(file)
                && Files.isDirectory(file.resolveSibling("steps"));
    }

    /**
     * Reads the table of contents of a study. Needs no lock.
     *
     * @throws StudyException if the folder is not a study's folder, or is damaged
     */
    public static StudyIndex index(Path study) {
        Path file = study.resolve(StudyIndex.FILE);
        if (!Files.exists(file)) {
            throw new StudyException(
                    study + " is not a study's folder: it has no " + StudyIndex.FILE + "; name one that `study` wrote");
        }
        try {
            return JSON.readValue(Files.readString(file), StudyIndex.class);
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; run `study` with its ladder again", e);
        }
    }

    /** Creates a step's folder with its {@code identity.json}. */
    public void begin(Step step) {
        try {
            Files.createDirectories(step.folder());
        } catch (IOException e) {
            throw new StudyException("cannot create " + step.folder() + ": " + DataException.reason(e), e);
        }
        write(step.folder().resolve(IDENTITY), step.identity());
    }

    /** Reads a step's identity; an empty object if the folder has none. */
    public static JsonNode identity(Path step) {
        Path file = step.resolve(IDENTITY);
        if (!Files.exists(file)) {
            return Step.object();
        }
        try {
            return JSON.readTree(Files.readString(file));
        } catch (IOException | JacksonException e) {
            throw new StudyException(file + " cannot be read; delete it: reports do not need it", e);
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
