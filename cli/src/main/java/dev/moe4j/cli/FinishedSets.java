package dev.moe4j.cli;

import dev.moe4j.cli.PerplexityCommand.Measured;
import dev.moe4j.data.TokenStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * A file that remembers the sets that an evaluation has finished, a line of JSON for each, so that an interrupted one
 * goes on. A set is known by what its result follows from: the checkpoint's bytes, the settings and the token ids.
 */
final class FinishedSets {
    private final Path file;
    private final Map<String, Measured> known = new HashMap<>();

    /** A line of the file. */
    record Line(String key, Measured result) {}

    private FinishedSets(Path file) {
        this.file = file;
    }

    /** Opens the file, which need not be there yet. A last line that was not finished is cut off. */
    static FinishedSets open(Path file) {
        FinishedSets sets = new FinishedSets(file);
        try {
            if (Files.exists(file)) {
                sets.read();
            } else {
                Files.createFile(file);
            }
        } catch (IOException e) {
            throw new CliException("--results " + file + ": cannot be read and written (" + e + "); give another file");
        }
        return sets;
    }

    private void read() throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        int end = bytes.length;
        while (end > 0 && bytes[end - 1] != '\n') {
            end--;
        }
        if (end < bytes.length) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(end);
            }
        }
        List<String> lines =
                new String(bytes, 0, end, StandardCharsets.UTF_8).lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            try {
                Line line = Json.read(lines.get(i), Line.class);
                known.put(line.key(), line.result());
            } catch (JacksonException e) {
                throw new CliException("--results " + file + ", line " + (i + 1)
                        + ": is no result of an evaluation; give a file that one has written, or a new one");
            }
        }
    }

    /** The result of that key; null where it is not finished. */
    @Nullable
    Measured get(String key) {
        return known.get(key);
    }

    void add(String key, Measured result) {
        known.put(key, result);
        byte[] line = (Json.line(new Line(key, result)) + "\n").getBytes(StandardCharsets.UTF_8);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.APPEND)) {
            ByteBuffer left = ByteBuffer.wrap(line);
            while (left.hasRemaining()) {
                channel.write(left);
            }
        } catch (IOException e) {
            throw new CliException("--results " + file + ": cannot be written (" + e + "); free space or give another");
        }
    }

    /** The digest of a checkpoint's configuration and parameters. */
    static String digest(Path checkpoint) {
        MessageDigest digest = sha256();
        try (Stream<Path> files = Files.list(checkpoint)) {
            for (Path path : files.filter(FinishedSets::counts).sorted().toList()) {
                digest.update(String.valueOf(path.getFileName()).getBytes(StandardCharsets.UTF_8));
                try (InputStream in = Files.newInputStream(path)) {
                    byte[] buffer = new byte[1 << 16];
                    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                        digest.update(buffer, 0, n);
                    }
                }
            }
        } catch (IOException e) {
            throw new CliException(checkpoint + ": cannot be read (" + e + "); check the path given with --checkpoint");
        }
        return hex(digest);
    }

    private static boolean counts(Path file) {
        String name = String.valueOf(file.getFileName());
        if (name.startsWith("optimizer")) {
            return false;
        }
        return name.equals("config.json") || name.endsWith(".safetensors");
    }

    /** The key of a text under settings that already name the checkpoint's digest. */
    static String key(String settings, TokenStream tokens) {
        MessageDigest digest = sha256();
        digest.update(settings.getBytes(StandardCharsets.UTF_8));
        int[] ids = new int[1 << 14];
        ByteBuffer bytes = ByteBuffer.allocate(ids.length * Integer.BYTES);
        for (long from = 0; from < tokens.tokens(); from += ids.length) {
            int n = (int) Math.min(ids.length, tokens.tokens() - from);
            tokens.copyTokens(from, ids, 0, n);
            bytes.clear().asIntBuffer().put(ids, 0, n);
            digest.update(bytes.limit(n * Integer.BYTES));
        }
        return hex(digest);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }

    private static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }
}
