package dev.moe4j.cli;

import static picocli.CommandLine.ScopeType.INHERIT;

import dev.moe4j.base.text.NearestName;
import dev.moe4j.bench.command.BenchCommand;
import dev.moe4j.cli.data.DataCommand;
import dev.moe4j.cli.data.PrepareCommand;
import dev.moe4j.cli.data.TokenizerCommand;
import dev.moe4j.cli.doctor.DoctorCommand;
import dev.moe4j.cli.eval.EvalCommand;
import dev.moe4j.cli.eval.FinetuneCommand;
import dev.moe4j.cli.plan.PlanCommand;
import dev.moe4j.cli.serve.GenerateCommand;
import dev.moe4j.cli.serve.ServeCommand;
import dev.moe4j.cli.study.QuickstartCommand;
import dev.moe4j.cli.study.ReportCommand;
import dev.moe4j.cli.study.StudyCommand;
import dev.moe4j.cli.train.LaunchCommand;
import dev.moe4j.cli.train.TrainCommand;
import dev.moe4j.console.output.CommandLineFactory;
import dev.moe4j.console.output.ExitCode;
import dev.moe4j.console.output.Failure;
import dev.moe4j.console.output.OutputPipe;
import dev.moe4j.console.output.Version;
import dev.moe4j.parallel.launch.LauncherWatch;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The entry point of the command line, with one class per command, listed in {@code COMMANDS}.
 *
 * <p>A command is a class {@code XCommand implements Callable<Integer>}. It has an {@code Output} mixin, passes
 * its result to it, and returns 0. It reports failures as exceptions: {@code CliException} or a module's own
 * exception for a failure that the user can correct, {@link ParameterException} for wrong usage; see
 * {@link Failure} for the others. Loading a command's class must not load anything heavy, since {@code --help}
 * loads all of them.
 */
@Command(
        name = "moe4j",
        description = "Mixture-of-Experts language models on the JVM.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        scope = INHERIT,
        usageHelpWidth = 100,
        synopsisSubcommandLabel = "COMMAND",
        exitCodeOnInvalidInput = ExitCode.WRONG_USAGE,
        exitCodeOnExecutionException = ExitCode.FAILED)
public final class Main implements CommandLineFactory {

    private static final List<Class<?>> COMMANDS = List.of(
            QuickstartCommand.class,
            DoctorCommand.class,
            DataCommand.class,
            TokenizerCommand.class,
            PrepareCommand.class,
            PlanCommand.class,
            TrainCommand.class,
            LaunchCommand.class,
            EvalCommand.class,
            FinetuneCommand.class,
            StudyCommand.class,
            ReportCommand.class,
            GenerateCommand.class,
            ServeCommand.class,
            BenchCommand.class,
            HelpCommand.class,
            VersionCommand.class);

    private boolean debug = "1".equals(System.getenv("MOE4J_DEBUG"));

    Main() {}

    public static void main(String[] args) {
        LauncherWatch.start(System.getenv());
        // Format numbers in the same way everywhere.
        Locale.setDefault(Locale.ROOT);
        // Stdout carries results only: redirect other prints to stderr.
        PrintWriter results = new OutputPipe(System.out);
        System.setOut(System.err);
        System.exit(run(results, new PrintWriter(System.err, true, System.err.charset()), args));
    }

    /** Runs a command line and returns its exit code: 0 done, 1 failed, 2 wrong usage. */
    public static int run(PrintWriter out, PrintWriter err, String... args) {
        Main main = new Main();
        return run(main, commandLine(main, args), out, err, args);
    }

    /** Runs a given command line, so that tests can add commands. */
    public static int run(Main main, CommandLine line, PrintWriter out, PrintWriter err, String... args) {
        line.setOut(out).setErr(err);
        try {
            return line.execute(args);
        } catch (Error e) { // picocli does not handle errors
            return Failure.of(e).print(err, main.debug);
        } finally {
            out.flush();
            err.flush();
        }
    }

    /** Returns a command line with all commands and their options. */
    static CommandLine fullCommandLine(Main main) {
        return commandLine(main, _ -> true);
    }

    @Override
    public CommandLine forArguments(String... arguments) {
        return commandLine(new Main(), arguments);
    }

    /**
     * Returns a command line for these arguments. Commands that the arguments do not name get only a name and a
     * description, since reading the options of all commands takes as long as the rest of the start.
     */
    static CommandLine commandLine(Main main, String... args) {
        return commandLine(main, List.of(args)::contains);
    }

    private static CommandLine commandLine(Main main, Predicate<String> wanted) {
        CommandLine line = new CommandLine(main);
        for (Class<?> type : COMMANDS) {
            Command command = type.getAnnotation(Command.class);
            if (wanted.test(command.name())) {
                line.addSubcommand(type);
            } else {
                CommandSpec named = CommandSpec.create();
                named.usageMessage().description(command.description());
                line.addSubcommand(command.name(), named);
            }
        }
        return line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
                .setExpandAtFiles(false) // a prompt may start with @
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, args) -> wrongUsage(e))
                .setExecutionExceptionHandler((e, l, parsed) -> e instanceof OutputPipe.ReaderGoneException
                        ? OutputPipe.ReaderGoneException.EXIT_CODE
                        : Failure.of(e).print(l.getErr(), main.debug));
    }

    @Option(names = "--debug", scope = INHERIT, description = "Print stack traces and debug logs, like MOE4J_DEBUG=1.")
    void debug(boolean on) {
        debug |= on;
        if (debug) {
            System.setProperty("moe4j.log.level", "DEBUG"); // logback.xml reads it when the first logger is made
        }
    }

    private static int wrongUsage(ParameterException e) {
        CommandLine line = e.getCommandLine();
        CommandSpec command = line.getCommandSpec();
        line.getErr().println("moe4j: " + message(e));
        line.getErr().println("Try: " + command.qualifiedName() + " --help");
        return ExitCode.WRONG_USAGE;
    }

    private static String message(ParameterException e) {
        if (e instanceof UnmatchedArgumentException unmatched) {
            return unknown(unmatched);
        }
        // A required option may be present under a misspelled name.
        CommandLine line = e.getCommandLine();
        if (e instanceof MissingParameterException
                && !line.getUnmatchedArguments().isEmpty()) {
            UnmatchedArgumentException unmatched = new UnmatchedArgumentException(line, line.getUnmatchedArguments());
            if (unmatched.isUnknownOption()) {
                return unknown(unmatched);
            }
        }
        return String.valueOf(e.getMessage());
    }

    private static String unknown(UnmatchedArgumentException e) {
        CommandLine line = e.getCommandLine();
        String word = e.getUnmatched().getFirst();
        if (e.isUnknownOption()) {
            String name = word.replaceFirst("=.*", "");
            return "unknown option " + name
                    + didYouMean(name, line.getCommandSpec().optionsMap().keySet());
        }
        Set<String> commands = line.getSubcommands().keySet();
        return commands.isEmpty()
                ? "unexpected argument '" + word + "'"
                : "unknown command '" + word + "'" + didYouMean(word, commands);
    }

    private static String didYouMean(String word, Set<String> names) {
        return NearestName.names(word, names, 1).stream()
                .findFirst()
                .map(name -> ". Did you mean " + name + "?")
                .orElse("");
    }
}
