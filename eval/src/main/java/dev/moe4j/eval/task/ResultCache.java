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
 * A cache of results in a file with one JSON object per line, so that interrupted work can continue. The key of a
 * result covers all of its inputs, so a changed input never finds an old result.
 *
 * @param <T> the type of a result: a record that JSON can represent
 */
public final class ResultCache<T> {

    /**
     * Part of every key. Increase it with each code change that affects results, so that results of earlier versions
     * are computed again.
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
     * @param about a description for people
     */
    private record Line(String key, String about, JsonNode result) {}

    private ResultCache(@Nullable Path file, Class<T> type) {
        this.file = file;
        this.type = type;
    }

    /** Returns a cache that stores nothing. */
    public static <T> ResultCache<T> none(Class<T> type) {
        return new ResultCache<>(null, type);
    }

    /**
     * Opens a cache file, which is created if missing.
     *
     * @throws EvalException if a line is damaged; an unterminated last line comes from an interrupted writer and is
     *     removed
     * @throws UncheckedIOException if the file cannot be read or written
     */
    public static <T> ResultCache<T> open(Path file, Class<T> type) {
        ResultCache<T> cache = new ResultCache<>(file, type);
        try {
            if (Files.exists(file)) {
                cache.read(file);
            } else {
                Files.createFile(file); // fail before any work is done
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return cache;
    }

    /**
     * Returns the key of a result.
     *
     * @param parts all inputs of the result; the version of the code is added
     */
    public static String key(String... parts) {
        return key(SCORING_VERSION, parts);
    }

    static String key(int version, String... parts) {
        return Sha256.of("scoring version " + version + "\n" + String.join("\n", parts));
    }

    private void read(Path path) throws IOException {
        String text = Files.readString(path);
        int complete = text.lastIndexOf('\n') + 1;
        int number = 0;
        for (String line : text.substring(0, complete).lines().toList()) {
            number++;
            try {
                Line read = JSON.readValue(line, Line.class);
                if (read.key() != null && read.result() != null) {
                    results.put(read.key(), read.result());
                    continue;
                }
            } catch (JacksonException e) {
                // reported below
            }
            throw new EvalException(
                    path + ":" + number + ": not a line of results; remove the line, or use another file");
        }
        if (complete < text.length()) {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(text.substring(0, complete).getBytes(StandardCharsets.UTF_8).length);
            }
        }
    }

    /** Returns the cached result of a key. */
    public Optional<T> find(String key) {
        return Optional.ofNullable(results.get(key)).map(result -> JSON.treeToValue(result, type));
    }

    /**
     * Stores a result. It is on the disk when this returns.
     *
     * @param about a description for people who read the file
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
