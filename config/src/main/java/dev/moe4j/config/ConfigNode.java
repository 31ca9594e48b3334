package dev.moe4j.config;

import dev.moe4j.base.text.FirstLine;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLParser;
import tools.jackson.dataformat.yaml.YAMLSchema;

/**
 * A node of a parsed configuration with its source location. Scalars are kept as text, because the type of the record
 * component decides how to read them.
 */
sealed interface ConfigNode {

    long MAX_FILE_BYTES = 1 << 20;
    int MAX_DEPTH = 50;
    Pattern MARK = Pattern.compile("line (\\d+), column \\d+");
    YAMLFactory YAML = YAMLFactory.builder().yamlSchema(YAMLSchema.CORE).build();

    /** The source location: file and line, or the command-line override. */
    String where();

    /** A description of the value for error messages. */
    default String words() {
        return switch (this) {
            case Scalar(String _, String text) ->
                text == null ? "nothing" : "\"" + (text.length() > 60 ? text.substring(0, 60) + "…" : text) + "\"";
            case Sequence _ -> "a list";
            case Mapping _ -> "a mapping";
        };
    }

    /** A scalar with its source text; null for YAML's null. */
    record Scalar(String where, @Nullable String text) implements ConfigNode {}

    record Sequence(String where, List<ConfigNode> items) implements ConfigNode {}

    /** A mapping. If {@code partial}, it changes single entries of a map; else it replaces the map. */
    record Mapping(String where, Map<String, ConfigNode> entries, boolean partial) implements ConfigNode {

        static Mapping empty(String where) {
            return new Mapping(where, new LinkedHashMap<>(), true);
        }
    }

    /** Reads the text of a configuration file. */
    static String text(Path file) {
        try {
            if (Files.size(file) > MAX_FILE_BYTES) {
                throw new ConfigException(
                        file + " has " + Files.size(file) + " bytes, too many for a configuration file");
            }
            byte[] bytes = Files.readAllBytes(file);
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (NoSuchFileException e) {
            throw new ConfigException("The configuration file " + file + " does not exist", e);
        } catch (CharacterCodingException e) {
            throw new ConfigException(file + " is not UTF-8 text; save it as UTF-8", e);
        } catch (IOException e) {
            String reason = Files.isDirectory(file) ? "it is a folder" : e.getMessage();
            throw new ConfigException("Cannot read the configuration file " + file + ": " + reason, e);
        }
    }

    /** Parses a text that must contain a single document, which must be a mapping. */
    static Mapping document(String yaml, String source) {
        ConfigNode node = parse(yaml, source, true);
        if (node == null) {
            throw new ConfigException(source + " is empty; give at least one key, or leave the file out");
        }
        if (node instanceof Mapping mapping) {
            return mapping;
        }
        throw new ConfigException(node.where() + ": expected a mapping of keys to values, found " + node.words());
    }

    /**
     * Parses a text that must contain at most one document; null if it contains none.
     *
     * @param lines whether source locations include the line number
     */
    static @Nullable ConfigNode parse(String yaml, String source, boolean lines) {
        try (YAMLParser parser = (YAMLParser) YAML.createParser(ObjectReadContext.empty(), yaml)) {
            Parsing parsing = new Parsing(parser, source, lines);
            JsonToken token = parser.nextToken();
            if (token == null) {
                return null;
            }
            ConfigNode node = parsing.node(token, parsing.where(), 0);
            if (parser.nextToken() != null) {
                throw new ConfigException(parsing.where() + ": a second document begins; keep one");
            }
            return node;
        } catch (JacksonException e) {
            throw invalid(e, source, lines);
        }
    }

    /** The parser's message in one line, with the line number of the fault instead of the parser's position. */
    private static ConfigException invalid(JacksonException e, String source, boolean lines) {
        String message = Objects.requireNonNullElse(e.getOriginalMessage(), "");
        String line =
                e.getLocation() == null ? "" : ":" + Math.max(1, e.getLocation().getLineNr());
        Matcher mark = MARK.matcher(message);
        while (mark.find()) {
            line = ":" + mark.group(1);
        }
        String problem = message.lines()
                .filter(text -> text.startsWith("while") || text.startsWith("expected") || text.startsWith("found"))
                .collect(Collectors.joining(": "));
        return new ConfigException(
                source + (lines ? line : "") + ": invalid YAML: "
                        + (problem.isEmpty() ? FirstLine.of(message) : problem),
                e);
    }

    /** Builds nodes from the tokens of a parser. */
    record Parsing(YAMLParser parser, String source, boolean lines) {

        String where() {
            int line = parser.currentTokenLocation().getLineNr();
            return lines && line > 0 ? source + ":" + line : source;
        }

        ConfigNode node(JsonToken token, String where, int depth) {
            if (depth > MAX_DEPTH) {
                throw new ConfigException(where + ": nested more than " + MAX_DEPTH + " deep");
            }
            if (parser.isCurrentAlias()) {
                throw new ConfigException(
                        where + ": the alias *" + parser.getString() + " is not supported; write the value itself");
            }
            if (parser.getTypeId() != null) {
                throw new ConfigException(
                        where + ": the tag " + parser.getTypeId() + " is not supported; leave it out");
            }
            return switch (token) {
                case START_OBJECT -> mapping(where, depth);
                case START_ARRAY -> {
                    List<ConfigNode> items = new ArrayList<>();
                    JsonToken next = next();
                    while (next != JsonToken.END_ARRAY) {
                        items.add(node(next, where(), depth + 1));
                        next = next();
                    }
                    yield new Sequence(where, items);
                }
                case VALUE_NULL -> new Scalar(where, null);
                default -> new Scalar(where, parser.getString());
            };
        }

        private Mapping mapping(String where, int depth) {
            Map<String, ConfigNode> entries = new LinkedHashMap<>();
            while (next() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                String place = where();
                ConfigNode earlier = entries.get(key);
                ConfigNode value = node(next(), place, depth + 1);
                if (earlier != null) {
                    throw new ConfigException(place + ": the key " + key + " is given twice, first at "
                            + earlier.where() + "; remove one");
                }
                entries.put(key, value);
            }
            return new Mapping(where, entries, false);
        }

        private JsonToken next() {
            JsonToken token = parser.nextToken();
            if (token == null) {
                throw new ConfigException(where() + ": invalid YAML: unexpected end");
            }
            return token;
        }
    }

    /** Converts a JSON value. All nodes get the source location {@code source}. */
    static ConfigNode of(JsonNode json, String source) {
        if (json.isObject()) {
            Map<String, ConfigNode> entries = new LinkedHashMap<>();
            json.properties().forEach(entry -> entries.put(entry.getKey(), of(entry.getValue(), source)));
            return new Mapping(source, entries, false);
        }
        if (json.isArray()) {
            return new Sequence(
                    source, json.valueStream().map(item -> of(item, source)).toList());
        }
        return new Scalar(source, json.isNull() ? null : json.asString());
    }
}
