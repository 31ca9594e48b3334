package dev.moe4j.model;

import dev.moe4j.formats.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteOrder;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.MissingNode;

/**
 * Finds the golden vectors: in the folder that the system property {@code golden.dir} names, or by default in the test
 * resources. A family that is missing from the folder has zero cases. A folder without any case is an error, so a wrong
 * path does not pass as a success. Each family's JSON documents its tensors.
 *
 * <p>A relative folder is searched from the module's folder upwards, because tests run in the module's folder but the
 * build is started one level above.
 */
public final class Golden {

    /** The families of golden vectors. */
    public static final List<String> FAMILIES =
            List.of("gating", "moe_layer", "lm", "train_moe", "train_long", "lr_schedules", "sinusoidal");

    /** The name of the property that selects the folder. */
    static final String PROPERTY = "golden.dir";

    private static final JsonMapper JSON = new JsonMapper();

    private final Path folder;
    private final Map<String, SafetensorsFile> files = new ConcurrentHashMap<>();

    /** Opens the folder, and fails if it contains no case. */
    Golden(Path folder) {
        this.folder = folder;
        if (FAMILIES.stream().allMatch(family -> cases(family).isEmpty())) {
            throw new IllegalStateException("no golden case in " + folder.toAbsolutePath());
        }
    }

    /** The vectors of this test run. */
    public static Golden open() {
        return Holder.GOLDEN;
    }

    private static final class Holder {
        static final Golden GOLDEN = new Golden(wanted(System.getProperty(PROPERTY, "")));
    }

    /** A test of one case. */
    public interface Check {
        void accept(Case golden) throws Exception;
    }

    /** One dynamic test for each case of the family; empty if the folder lacks the family. */
    public static Stream<DynamicTest> tests(String family, Check check) {
        return open().cases(family).stream()
                .map(golden -> DynamicTest.dynamicTest(family + "/" + golden.name(), () -> check.accept(golden)));
    }

    /**
     * One case of a family.
     *
     * @param json the case's part of the family's JSON
     * @param familyJson the complete JSON
     */
    public record Case(
            String family,
            String name,
            JsonNode json,
            JsonNode familyJson,
            Supplier<Tensors> data,
            Supplier<Tensors> start) {

        /** The tensors of the case. */
        public Tensors tensors() {
            return data.get();
        }

        /** The initial weights (families moe_layer, lm, train_moe, train_long). */
        public Tensors weights() {
            return start.get();
        }
    }

    /** The tensors of a file with a name prefix, which callers omit. */
    public record Tensors(SafetensorsFile file, String prefix) {

        public Set<String> names() {
            Set<String> names = new LinkedHashSet<>();
            for (String name : file.names()) {
                if (name.startsWith(prefix)) {
                    names.add(name.substring(prefix.length()));
                }
            }
            return names;
        }

        public boolean has(String name) {
            return file.names().contains(prefix + name);
        }

        public SafetensorsFile.Entry entry(String name) {
            return file.entry(prefix + name);
        }

        public long[] shape(String name) {
            return entry(name).shape();
        }

        /** The elements of a tensor of any type, exactly. */
        public double[] doubles(String name) {
            SafetensorsFile.Entry entry = entry(name);
            double[] values = new double[Math.toIntExact(entry.elements())];
            for (int i = 0; i < values.length; i++) {
                values[i] = switch (entry.type()) {
                    case F64 -> entry.data().get(DOUBLE, 8L * i);
                    case F32 -> entry.data().get(FLOAT, 4L * i);
                    default -> whole(entry, i);
                };
            }
            return values;
        }

        /** The elements of a tensor of type F32. */
        public float[] floats(String name) {
            SafetensorsFile.Entry entry = entry(name);
            if (entry.type() != SafetensorsFile.Type.F32) {
                throw new IllegalArgumentException(entry + " is not F32");
            }
            float[] values = new float[Math.toIntExact(entry.elements())];
            MemorySegment.copy(entry.data(), FLOAT, 0, values, 0, values.length);
            return values;
        }

        /** The elements of an integer tensor; a BOOL is 0 or 1. */
        public long[] longs(String name) {
            SafetensorsFile.Entry entry = entry(name);
            long[] values = new long[Math.toIntExact(entry.elements())];
            for (int i = 0; i < values.length; i++) {
                values[i] = whole(entry, i);
            }
            return values;
        }

        private static long whole(SafetensorsFile.Entry entry, int i) {
            return switch (entry.type()) {
                case I64 -> entry.data().get(LONG, 8L * i);
                case I32 -> entry.data().get(INT, 4L * i);
                case BOOL, U8 -> Byte.toUnsignedLong(entry.data().get(ValueLayout.JAVA_BYTE, i));
                default -> throw new IllegalArgumentException(entry + " is not an integer tensor");
            };
        }
    }

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public Path folder() {
        return folder;
    }

    /** The JSON of a family; a missing node if the folder lacks it. */
    public JsonNode json(String family) {
        Path file = folder.resolve(family + ".json");
        return Files.exists(file) ? JSON.readTree(file) : MissingNode.getInstance();
    }

    /** The cases of a family in the order of its JSON. */
    public List<Case> cases(String family) {
        JsonNode json = json(family);
        List<Case> cases = new ArrayList<>();
        switch (family) {
            case "gating" ->
                json.properties().stream()
                        .filter(group -> group.getValue().isArray())
                        .forEach(group -> group.getValue().forEach(node -> {
                            String name = node.path("name").asString();
                            cases.add(new Case(
                                    family,
                                    group.getKey() + "/" + name,
                                    node,
                                    json,
                                    tensors("gating_" + group.getKey() + ".safetensors", name + "/"),
                                    none(family)));
                        }));
            case "moe_layer" ->
                json.path("cases").forEach(node -> {
                    String name = node.path("name").asString();
                    cases.add(new Case(
                            family,
                            name,
                            node,
                            json,
                            tensors("moe_layer_" + name + ".safetensors", ""),
                            tensors(node.path("weights").asString("moe_layer_weights.safetensors"), "")));
                });
            case "lm" ->
                json.path("cases")
                        .forEach(node -> cases.add(new Case(
                                family,
                                node.path("name").asString(),
                                node,
                                json,
                                tensors(node.path("file").asString(), ""),
                                tensors(node.path("weights").asString(), ""))));
            case "train_moe", "train_long" ->
                json.path("runs")
                        .properties()
                        .forEach(run -> cases.add(new Case(
                                family,
                                run.getKey(),
                                run.getValue(),
                                json,
                                tensors(family + ".safetensors", ""),
                                tensors("lm_moe_weights.safetensors", ""))));
            case "lr_schedules" ->
                json.path("schedules")
                        .forEach(node -> cases.add(new Case(
                                family,
                                node.path("name").asString() + "-" + cases.size(),
                                node,
                                json,
                                none(family),
                                none(family))));
            case "sinusoidal" -> {
                if (!json.isMissingNode()) {
                    Supplier<Tensors> tensors = tensors("sinusoidal.safetensors", "");
                    for (String name : tensors.get().names()) {
                        if (name.startsWith("table_") || name.startsWith("embedded_")) {
                            cases.add(new Case(family, name, json, json, tensors, none(family)));
                        }
                    }
                }
            }
            default -> throw new IllegalArgumentException("no family of golden vectors: " + family);
        }
        return cases;
    }

    private Supplier<Tensors> tensors(String file, String prefix) {
        return () ->
                new Tensors(files.computeIfAbsent(file, name -> SafetensorsFile.open(folder.resolve(name))), prefix);
    }

    private static Supplier<Tensors> none(String family) {
        return () -> {
            throw new IllegalStateException("the family " + family + " has no such tensors");
        };
    }

    /** The folder for a value of the property. */
    static Path wanted(String property) {
        if (property.isBlank()) {
            return resources();
        }
        Path given = Path.of(property);
        for (Path from = Path.of("").toAbsolutePath(); from != null; from = from.getParent()) {
            if (Files.isDirectory(from.resolve(given))) {
                return from.resolve(given);
            }
        }
        throw new IllegalStateException(PROPERTY + "=" + property + " is not a folder");
    }

    /** The copy in the test resources. If it is in a jar, as for other modules, it is unpacked first. */
    private static Path resources() {
        URL url = Golden.class.getResource("/golden/gating.json");
        if (url == null) {
            throw new IllegalStateException("the test resources contain no golden vectors");
        }
        try {
            URI uri = url.toURI();
            if (uri.getScheme().equals("file")) {
                return parent(Path.of(uri));
            }
            try (FileSystem jar = FileSystems.newFileSystem(uri, Map.of());
                    Stream<Path> files = Files.list(jar.getPath("/golden"))) {
                Path copy = Files.createTempDirectory("golden");
                copy.toFile().deleteOnExit();
                for (Path file : files.toList()) {
                    Path to = copy.resolve(file.getFileName().toString());
                    Files.copy(file, to);
                    to.toFile().deleteOnExit();
                }
                return copy;
            }
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path parent(Path file) {
        @Nullable Path parent = file.getParent();
        if (parent == null) {
            throw new IllegalStateException(file + " lies in no folder");
        }
        return parent;
    }
}
