package dev.moe4j.eval.task;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Results that are done, in a file of a JSON object a line, so that interrupted work goes on where it was. A result's key
 * is over everything that it depends on: after a change of any of it there is no such result.
 *
 * @param <T> what a result is: a record that JSON can hold
 */
public final class ResultCache<T> {

    /**
     * Part of every key. Raise it with each change of the code after which an evaluation gives another result, so that
     * results of earlier versions are made anew.
     */
    public static final int SCORING_VERSION = 2;

    private static final JsonMapper JSON = JsonMapper.shared();

    private final @Nullable Path file;
    private final Class<T> type;
    private final Map<String, JsonNode> results = new HashMap<>();

    /**
     * A line of the file.
     *
     * @param key SHA-256 in hex
     * @param about what it is of, for people
     */
    private record Line(String key, String about, JsonNode result) {}

    private ResultCache(@Nullable Path file, Class<T> type) {
        this.file = file;
        this.type = type;
    }

    /** Keeps nothing. */
    public static <T> ResultCache<T> none(Class<T> type) {
        return new ResultCache<>(null, type);
    }

    /**
     * Opens a file, or begins it.
     *
     * @throws EvalException if a line is damaged; a last one without its end was being written when its writer was
     *     stopped, and is cut off
     * @throws UncheckedIOException if the file cannot be read or written
     */
    public static <T> ResultCache<T> open(Path file, Class<T> type) {
        ResultCache<T> finished = new ResultCache<>(file, type);
        try {
            if (Files.exists(file)) {
                finished.read(file);
            } else {
                Files.createFile(file); // where that fails, it should before any work is done
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return finished;
    }

    /** A key over all that a result depends on: these parts and the version of the code. */
    public static String key(String... parts) {
        return key(SCORING_VERSION, parts);
    }

    static String key(int version, String... parts) {
        return Sha256.of("scoring version " + version + "\n" + String.join("\n", parts));
    }

    private void read(Path path) throws IOException {
        String text = Files.readString(path);
        int whole = text.lastIndexOf('\n') + 1;
        int number = 0;
        for (String line : text.substring(0, whole).lines().toList()) {
            number++;
            try {
                Line read = JSON.readValue(line, Line.class);
                if (read.key() != null && read.result() != null) {
                    results.put(read.key(), read.result());
                    continue;
                }
            } catch (JacksonException e) {
                // said below
            }
            throw new EvalException(path + ":" + number + ": no line of results; remove it, or name another file");
        }
        if (whole < text.length()) {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(text.substring(0, whole).getBytes(StandardCharsets.UTF_8).length);
            }
        }
    }

    /** The result of that key, if it is done. */
    public Optional<T> find(String key) {
        return Optional.ofNullable(results.get(key)).map(result -> JSON.treeToValue(result, type));
    }

    /**
     * Keeps a result: on the disk when this returns.
     *
     * @param about what it is of, for people who read the file
     */
    public void add(String key, String about, T result) {
        JsonNode json = JSON.valueToTree(result);
        results.put(key, json);
        if (file == null) {
            return;
        }
        byte[] line = (JSON.writeValueAsString(new Line(key, about, json)) + "\n").getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.wrap(line);
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND)) {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
