package dev.moe4j.console.output;

import java.io.PrintWriter;
import java.util.function.Consumer;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Mixin for a command that has a result: text for people, or with {@code --json} one object for programs. */
public final class Output {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--json", description = "Print the result as one JSON object, the only line on stdout.")
    private boolean json;

    /** Prints a command's result, once, at its end: {@code result} as JSON, or {@code text}. */
    public void print(Object result, Consumer<PrintWriter> text) {
        PrintWriter out = command.commandLine().getOut();
        if (json) {
            out.println(ResultJson.line(result));
        } else {
            text.accept(out);
        }
        check(out);
    }

    /** Prints a piece of a result that comes bit by bit; with {@code --json} the result at the end has it. */
    public void stream(String piece) {
        if (!json) {
            PrintWriter out = command.commandLine().getOut();
            out.print(piece);
            check(out);
        }
    }

    private static void check(PrintWriter out) {
        if (out.checkError()) {
            throw out instanceof OutputPipe stdout && stdout.isPipe()
                    ? new OutputPipe.ReaderGoneException()
                    : new CliException("cannot write the result to stdout: is its disk full?");
        }
    }

    /** Returns what to throw for wrong usage that only the command can see. */
    public ParameterException wrongUsage(String message) {
        return new ParameterException(command.commandLine(), message);
    }

    /** Returns what {@code value} makes of the command's options; what it refuses is wrong usage. */
    public <T> T usage(Supplier<T> value) {
        try {
            return value.get();
        } catch (RuntimeException e) {
            Failure failure = Failure.of(e);
            if (!failure.expected()) {
                throw e;
            }
            throw new ParameterException(command.commandLine(), failure.message(), e);
        }
    }

    /** Returns where progress and remarks go. */
    public PrintWriter err() {
        return command.commandLine().getErr();
    }
}
