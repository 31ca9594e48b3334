package dev.moe4j.console.output;

import java.io.PrintWriter;
import java.util.function.Consumer;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Mixin for a command that has a result: text for people, or one JSON object with {@code --json}. */
public final class Output {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--json", description = "Print the result as one JSON object, the only line on stdout.")
    private boolean json;

    /** Prints a command's result, once, at its end: {@code result} as JSON, or the output of {@code text}. */
    public void print(Object result, Consumer<PrintWriter> text) {
        PrintWriter out = command.commandLine().getOut();
        if (json) {
            out.println(ResultJson.line(result));
        } else {
            text.accept(out);
        }
        check(out);
    }

    /**
     * Prints a part of a result that is produced incrementally. With {@code --json} it prints nothing, since the
     * result at the end contains it.
     */
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

    /** Returns the exception to throw for wrong usage that the option parser cannot detect. */
    public ParameterException wrongUsage(String message) {
        return new ParameterException(command.commandLine(), message);
    }

    /** Returns the value computed from options. An expected failure of {@code value} becomes wrong usage. */
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

    /** Returns the writer for progress and notes: stderr. */
    public PrintWriter err() {
        return command.commandLine().getErr();
    }
}
