package dev.moe4j.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ConfigReaderTest {

    enum Shape {
        ROUND,
        HALF_ROUND
    }

    record Source(String path, double weight) {
        Source() {
            this("none", 1);
        }
    }

    record Sizes(int experts, @Nullable Integer width, boolean useKVCache) {
        Sizes {
            if (experts < 1) {
                throw new IllegalArgumentException("experts must be at least 1, not " + experts);
            }
        }
    }

    record Strict(int a, int b) {}

    record Run(
            String name,
            long tokens,
            double peakRate,
            float dropout,
            Shape shape,
            Sizes model,
            @Nullable Strict strict,
            List<Integer> layers,
            List<Source> sources,
            Map<String, Double> mixture,
            @Nullable Path out) {}

    private static final Run DEFAULTS = new Run(
            "run",
            1000,
            5e-4,
            0.1f,
            Shape.ROUND,
            new Sizes(8, null, true),
            null,
            List.of(1, 3),
            List.of(),
            Map.of("web", 0.5),
            null);

    private static Run parse(String yaml, String... overrides) {
        return ConfigReader.parse(DEFAULTS, yaml, "run.yaml", List.of(overrides));
    }

    @Test
    void givenKeysReplaceDefaults() {
        Run run = parse("""
                # a comment
                tokens: 3e9
                peak_rate: 1e-3
                dropout: 0
                shape: half_round
                model:
                  experts: 1_024
                  width: 64
                  use_kv_cache: false
                strict: {a: 1, b: 2}
                layers: [0, 2]
                sources:
                  - path: a b
                  - {weight: 2}
                mixture: {books: 1}
                out: /tmp/x
                """);
        assertThat(run)
                .isEqualTo(new Run(
                        "run",
                        3_000_000_000L,
                        1e-3,
                        0,
                        Shape.HALF_ROUND,
                        new Sizes(1024, 64, false),
                        new Strict(1, 2),
                        List.of(0, 2),
                        List.of(new Source("a b", 1), new Source("none", 2)),
                        Map.of("books", 1.0),
                        Path.of("/tmp/x")));
    }

    @Test
    void scalarsAreReadAsTheirComponentWants() {
        assertThat(parse("name: 12").name()).isEqualTo("12");
        assertThat(parse("name: True").name()).isEqualTo("True");
        assertThat(parse("name: 'null'").name()).isEqualTo("null");
        assertThat(parse("name: ''").name()).isEmpty();
        assertThat(parse("name: 007").name()).isEqualTo("007");
        assertThat(parse("tokens: \"12\"").tokens()).isEqualTo(12);
        assertThat(parse("peak_rate: 3").peakRate()).isEqualTo(3);
        assertThat(parse("peak_rate: .inf").peakRate()).isInfinite();
        assertThat(parse("tokens: -9223372036854775808").tokens()).isEqualTo(Long.MIN_VALUE);
    }

    @Test
    void textsOfTheCommandLineReplaceTheFile() {
        Run run = parse(
                "model: {experts: 16, width: 5}",
                "model.experts=32",
                "model.experts=64",
                "model.width=",
                "layers=[7]",
                "name=a=b",
                "mixture.books=0.25",
                "strict={a: 1}",
                "strict.b=2");
        assertThat(run.model()).isEqualTo(new Sizes(64, null, true));
        assertThat(run.layers()).containsExactly(7);
        assertThat(run.name()).isEqualTo("a=b");
        assertThat(run.mixture()).isEqualTo(Map.of("web", 0.5, "books", 0.25));
        assertThat(run.strict()).isEqualTo(new Strict(1, 2));
        assertThat(ConfigReader.read(DEFAULTS, null, List.of("model.experts=3"))
                        .model()
                        .experts())
                .isEqualTo(3);
        assertThat(ConfigReader.read(DEFAULTS, null, List.of())).isEqualTo(DEFAULTS);
        // Only the combination of all sources must be valid.
        assertThat(parse("model: {experts: 0}", "model.experts=2").model().experts())
                .isEqualTo(2);
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                Arguments.of(
                        "\nmodel:\n  expert: 3", "run.yaml:3: unknown key model.expert; did you mean model.experts?"),
                Arguments.of("modle:\n  experts: 3", "run.yaml:1: unknown key modle; did you mean model?"),
                Arguments.of("experts: 3", "run.yaml:1: unknown key experts; did you mean model.experts?"),
                Arguments.of("peakRate: 3", "run.yaml:1: unknown key peakRate; did you mean peak_rate?"),
                Arguments.of("model: {use-kv-cache: true}", "did you mean model.use_kv_cache?"),
                Arguments.of("model: {zzzzzz: 3}", "known here: model.experts, model.width, model.use_kv_cache"),
                Arguments.of(
                        "model:\n  experts: many",
                        "run.yaml:2: model.experts: expected a whole number up to" + " 2147483647, found \"many\""),
                Arguments.of("model: {experts: 1.5}", "found \"1.5\""),
                Arguments.of("model: {experts: 3e9}", "found \"3e9\""),
                Arguments.of("model: {experts: 1e999999999}", "found \"1e999999999\""),
                Arguments.of("tokens: 1e19", "found \"1e19\""),
                Arguments.of("tokens: " + "9".repeat(5000), "found \"999"),
                Arguments.of("peak_rate: 1e999", "peak_rate: expected a number, found \"1e999\""),
                Arguments.of("peak_rate: 1d", "found \"1d\""),
                Arguments.of("dropout: 1e39", "found \"1e39\""),
                Arguments.of("model: {use_kv_cache: yes}", "expected true or false, found \"yes\""),
                Arguments.of("shape: ROUND", "shape: expected one of [round, half_round], found \"ROUND\""),
                Arguments.of("shape: [round]", "expected one of [round, half_round], found a list"),
                Arguments.of("model: 3", "model: expected a mapping with the keys [experts, width, use_kv_cache]"),
                Arguments.of(
                        "model:", "expected a mapping with the keys [experts, width, use_kv_cache], found nothing"),
                Arguments.of("name: {a: 1}", "name: expected a text, found a mapping"),
                Arguments.of("name: ~", "name: expected a text, found nothing"),
                Arguments.of("layers: 3", "layers: expected a list, each item a whole number"),
                Arguments.of("layers: [1, x]", "layers[1]: expected a whole number up to 2147483647, found \"x\""),
                Arguments.of("layers: [1, null]", "layers[1]: expected a whole number up to 2147483647, found nothing"),
                Arguments.of(
                        "sources: [{path: a}, {paht: b}]",
                        "unknown key sources[1].paht; did you mean sources[1].path?"),
                Arguments.of("mixture: [1]", "mixture: expected a mapping, each value a number, found a list"),
                Arguments.of("mixture: {a: b}", "mixture.a: expected a number, found \"b\""),
                Arguments.of("strict: {a: 1}", "strict.b is missing"),
                Arguments.of("out: ''", "out: expected a path"),
                Arguments.of("model:\n  experts: 0", "run.yaml:1: model: experts must be at least 1, not 0"),
                Arguments.of(
                        "tokens: 1\nname: x\ntokens: 2",
                        "run.yaml:3: the key tokens is given twice, first at" + " run.yaml:1; remove one"),
                Arguments.of("tokens: 1\n---\ntokens: 2", "a second document begins"),
                Arguments.of("- 1", "run.yaml:1: expected a mapping of keys to values, found a list"),
                Arguments.of("3", "expected a mapping of keys to values, found \"3\""),
                Arguments.of("", "run.yaml is empty"),
                Arguments.of("# nothing\n", "run.yaml is empty"),
                Arguments.of("a: &a 1\nname: *a", "run.yaml:2: the alias *a is not supported"),
                Arguments.of("name: !foo 1", "the tag foo is not supported"),
                Arguments.of("<<: {tokens: 1}", "unknown key <<"),
                Arguments.of("layers: [1,", "run.yaml:1: invalid YAML"),
                Arguments.of("tokens: 1\n\tname: x", "run.yaml:2: invalid YAML"),
                Arguments.of("? [1]\n: 2", "invalid YAML"),
                Arguments.of("name: \u0001", "invalid YAML"),
                Arguments.of("name: " + "[".repeat(200), "run.yaml:1: nested more than 50 deep"),
                Arguments.of("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]", "is not supported"));
    }

    @ParameterizedTest
    @MethodSource("mistakes")
    void namesAMistakeAndItsPlace(String yaml, String message) {
        assertThatThrownBy(() -> parse(yaml))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("run.yaml")
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void namesAMistakeOnTheCommandLine() {
        assertMistake("model.experts=many", "--set model.experts=many: model.experts: expected a whole number");
        assertMistake("model.expert=3", "--set model.expert=3: unknown key model.expert; did you mean model.experts?");
        assertMistake("model.experts=0", "--set model.experts=0: model: experts must be at least 1");
        assertMistake("model=3", "--set model=3: model: expected a mapping");
        assertMistake("tokens.x=3", "expected a whole number up to 9223372036854775807, found a mapping");
        assertMistake("tokens=[1", "--set tokens=[1: invalid YAML");
        assertMistake("tokens", "--set tokens: expected key=value, such as model.experts=32");
        assertMistake("=3", "expected key=value");
        assertMistake("model..experts=3", "the key has an empty part");
    }

    private static void assertMistake(String override, String message) {
        assertThatThrownBy(() -> ConfigReader.read(DEFAULTS, null, List.of(override)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void namesAFileThatCannotBeRead(@TempDir Path folder) throws IOException {
        assertUnreadable(folder.resolve("none.yaml"), "none.yaml does not exist");
        assertUnreadable(folder, "it is a folder");
        assertUnreadable(Files.write(folder.resolve("a"), new byte[] {'a', ':', ' ', (byte) 0xff}), "a is not UTF-8");
        assertUnreadable(Files.writeString(folder.resolve("b"), "#".repeat(2_000_000)), "too many");
        Path file = Files.writeString(folder.resolve("run.yaml"), "tokens: 7\nmodel: {expert: 1}");
        assertUnreadable(file, file + ":2: unknown key model.expert");
        Files.writeString(file, "tokens: 7");
        assertThat(ConfigReader.read(DEFAULTS, file, List.of()).tokens()).isEqualTo(7);
    }

    private static void assertUnreadable(Path file, String message) {
        assertThatThrownBy(() -> ConfigReader.read(DEFAULTS, file, List.of()))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(message);
    }

    @Test
    void writesYamlForPeople() {
        Run run = parse("sources: [{path: a b}]\nstrict: {a: 1, b: 2}");
        assertThat(ConfigWriter.toYaml(run)).isEqualTo("""
                name: run
                tokens: 1000
                peak_rate: 5.0E-4
                dropout: 0.1
                shape: round
                model:
                  experts: 8
                  width: null
                  use_kv_cache: true
                strict:
                  a: 1
                  b: 2
                layers: [1, 3]
                sources:
                  -
                    path: "a b"
                    weight: 1.0
                mixture:
                  web: 0.5
                out: null
                """);
    }

    @Test
    void whatIsWrittenReadsBackEqual() {
        long seed = Long.getLong("test.seed", System.nanoTime());
        System.out.println("ConfigReaderTest.whatIsWrittenReadsBackEqual: -Dtest.seed=" + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 1000; round++) {
            Run run = random(random);
            Run over = random(random);
            assertThat(ConfigReader.parse(over, ConfigWriter.toYaml(run), "run.yaml", List.of()))
                    .isEqualTo(run);
            assertThat(ConfigReader.fromJson(over, ConfigWriter.toJson(run), "run.json"))
                    .isEqualTo(run);
        }
    }

    private static Run random(Random random) {
        Map<String, Double> mixture = new LinkedHashMap<>();
        for (int i = random.nextInt(3); i > 0; i--) {
            mixture.put(text(random), real(random));
        }
        return new Run(
                text(random),
                random.nextLong(),
                real(random),
                Float.intBitsToFloat(random.nextInt() & 0x7f7fffff),
                random.nextBoolean() ? Shape.ROUND : Shape.HALF_ROUND,
                new Sizes(
                        1 + random.nextInt(Integer.MAX_VALUE),
                        random.nextBoolean() ? null : random.nextInt(),
                        random.nextBoolean()),
                random.nextBoolean() ? null : new Strict(random.nextInt(), random.nextInt()),
                random.ints(random.nextInt(4)).boxed().toList(),
                Stream.generate(() -> new Source(text(random), real(random)))
                        .limit(random.nextInt(3))
                        .toList(),
                mixture,
                random.nextBoolean() ? null : Path.of("a" + random.nextInt()));
    }

    private static double real(Random random) {
        return switch (random.nextInt(6)) {
            case 0 -> Double.POSITIVE_INFINITY;
            case 1 -> Double.NaN;
            case 2 -> -0.0;
            case 3 -> random.nextInt(100);
            default -> Double.longBitsToDouble(random.nextLong());
        };
    }

    private static String text(Random random) {
        List<String> awkward = List.of(
                "",
                " ",
                "null",
                "~",
                "true",
                "No",
                "12",
                "1e9",
                "-",
                "- a",
                "a: b",
                "#",
                "a #b",
                "*a",
                "&a",
                "!a",
                "a\n",
                "\n a",
                "\t",
                "\"",
                "'",
                "\\",
                "{}",
                "[1]",
                "%",
                "@",
                "`",
                "|",
                ">",
                "? a",
                "---",
                "...",
                "\u0000",
                "\u0085",
                "\u2028",
                "\ufeff",
                "\ud83d\ude00",
                "é",
                "\r\n",
                "=",
                "<<",
                "a.b",
                "a:b",
                "\u007f");
        if (random.nextInt(3) > 0) {
            return awkward.get(random.nextInt(awkward.size()));
        }
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            text.appendCodePoint(random.nextInt(4) == 0 ? random.nextInt(0xd800) : random.nextInt(0x80));
        }
        return text.toString();
    }

    /** Any text gives a configuration or a ConfigException. */
    @Test
    void survivesAnyText() {
        long seed = Long.getLong("test.seed", System.nanoTime());
        System.out.println("ConfigReaderTest.survivesAnyText: -Dtest.seed=" + seed);
        Random random = new Random(seed);
        String alphabet = "abemodlxprts: -\n  [],{}#*&!|>'\"%@`?~01e9.<=\t\\\u0000\u00e9\ufeff";
        for (int round = 0; round < 5000; round++) {
            StringBuilder yaml = new StringBuilder(round % 2 == 0 ? "" : ConfigWriter.toYaml(random(random)));
            for (int i = random.nextInt(12); i > 0; i--) {
                int at = random.nextInt(yaml.length() + 1);
                String bit = String.valueOf(alphabet.charAt(random.nextInt(alphabet.length())));
                yaml.replace(at, Math.min(yaml.length(), at + random.nextInt(3)), bit);
            }
            try {
                parse(yaml.toString());
            } catch (ConfigException e) {
                assertThat(e).hasMessageStartingWith("run.yaml").hasMessageNotContaining("\n");
            }
            try {
                ConfigReader.read(DEFAULTS, null, List.of("name=" + yaml));
            } catch (ConfigException e) {
                assertThat(e).hasMessageStartingWith("--set");
            }
        }
    }
}
