package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.console.output.CliException;
import java.lang.reflect.Field;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

class MainTest {
    @Test
    void helpNamesEveryCommand() {
        Run run = Run.of("--help");

        assertThat(run.code()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).startsWith("Usage: moe4j");
        assertThat(Main.fullCommandLine(new Main()).getSubcommands().keySet())
                .isNotEmpty()
                .allSatisfy(name -> assertThat(run.out()).contains("  " + name));
    }

    @TestFactory
    Stream<DynamicTest> everyCommandHasHelp() {
        return commands(Main.fullCommandLine(new Main()))
                .map(line -> DynamicTest.dynamicTest(line.getCommandSpec().qualifiedName(), () -> {
                    String name = line.getCommandSpec().qualifiedName();
                    Run run = Run.of((name.substring("moe4j".length()) + " --help")
                            .strip()
                            .split(" "));
                    assertThat(run.code()).isZero();
                    assertThat(run.err()).isEmpty();
                    assertThat(run.out()).startsWith("Usage: " + name).contains("--help", "--version", "--debug");
                    assertThat(line.getCommandSpec().usageMessage().description())
                            .isNotEmpty();
                }));
    }

    /** NullAway does not check fields that picocli fills, so optional options must be marked nullable. */
    @Test
    void optionsThatMayBeAbsentAreNullable() {
        assertThat(commands(Main.fullCommandLine(new Main())).flatMap(MainTest::unmarked))
                .isEmpty();
        assertThat(unmarked(new CommandLine(new Options()))).containsExactly("unmarked");
    }

    @Command
    @SuppressWarnings("unused") // set by picocli
    private static final class Options {
        @Option(names = "--unmarked")
        private String unmarked;

        @Option(names = "--marked")
        private @Nullable String marked;

        @Option(names = "--required", required = true)
        private String required;

        @Option(names = "--preset")
        private String preset = "cpu";

        @Option(names = "--count")
        private int count;
    }

    private static Stream<String> unmarked(CommandLine line) {
        return line.getCommandSpec().args().stream()
                .filter(arg -> !arg.required() && arg.initialValue() == null && arg.defaultValue() == null)
                .filter(arg -> arg.userObject() instanceof Field field
                        && !field.getType().isPrimitive()
                        && Stream.of(field.getAnnotatedType().getAnnotations()).noneMatch(Nullable.class::isInstance))
                .map(arg -> ((Field) arg.userObject()).getName());
    }

    @Test
    void versionNamesProgramAndJava() {
        Run run = Run.of("--version");

        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("moe4j ").contains("Java 25").hasLineCount(1);
        assertThat(Run.of("doctor", "--version")).isEqualTo(run);
    }

    @Test
    void helpAndVersionAreCommandsToo() {
        assertThat(Run.of("help")).isEqualTo(Run.of("--help"));
        assertThat(Run.of("help", "train")).isEqualTo(Run.of("train", "--help"));
        assertThat(Run.of("help", "eval", "tasks")).isEqualTo(Run.of("eval", "tasks", "--help"));
        assertThat(Run.of("version")).isEqualTo(Run.of("--version"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''               | Missing required subcommand                         | moe4j --help",
                "docter           | unknown command 'docter'. Did you mean doctor?      | moe4j --help",
                "zzz              | unknown command 'zzz'                               | moe4j --help",
                "doctor --jsno    | unknown option --jsno. Did you mean --json?          | moe4j doctor --help",
                "doctor --jsn=yes | unknown option --jsn. Did you mean --json?           | moe4j doctor --help",
                "doctor more      | unexpected argument 'more'                          | moe4j doctor --help",
                "plan --modl x    | unknown option --modl. Did you mean --model?         | moe4j plan --help",
                "help trian       | unknown command 'trian'. Did you mean train?         | moe4j --help",
                "help eval task   | unknown command 'task'. Did you mean tasks?          | moe4j eval --help",
                "quickstart --minutes 0 | minutes: 0.0 is not between 0 and 1440         | moe4j quickstart --help"
            })
    void wrongUsageIsOneLineWithAHint(String args, String message, String help) {
        Run run = args.isEmpty() ? Run.of() : Run.of(args.split(" "));

        assertThat(run).isEqualTo(new Run(2, "", "moe4j: " + message + "\nTry: " + help + "\n"));
    }

    @ParameterizedTest
    @CsvSource({
        "expected, moe4j: shards: too short,           false",
        "bug,      moe4j: internal error: java.lang.IllegalStateException: oops, true",
        "error,    moe4j: internal error: java.lang.StackOverflowError, true",
        "heap,     moe4j: the Java heap is too small,  false",
        "expected --debug, moe4j: shards: too short,   true"
    })
    void failuresAreReported(String args, String message, boolean trace) {
        Main main = new Main();
        CommandLine line = Main.commandLine(main, args.split(" ")).addSubcommand("fail", new Fails());

        Run run = Run.of(main, line, ("fail " + args).split(" "));

        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines().toList().getLast()).startsWith(message);
        assertThat(run.err().contains("\tat dev.moe4j.cli.MainTest")).isEqualTo(trace);
        assertThat(run.err().lines().count() == 1).isEqualTo(!trace);
    }

    @Command
    private static final class Fails implements Callable<Integer> {
        @Parameters
        private String how;

        @Override
        public Integer call() {
            switch (how) {
                case "bug" -> throw new IllegalStateException("oops");
                case "error" -> throw new StackOverflowError();
                case "heap" -> throw new OutOfMemoryError("Java heap space");
                default -> throw new CliException("shards: too short");
            }
        }
    }

    private static Stream<CommandLine> commands(CommandLine line) {
        List<CommandLine> below =
                line.getSubcommands().values().stream().distinct().toList();
        return Stream.concat(Stream.of(line), below.stream().flatMap(MainTest::commands));
    }
}
