package dev.moe4j.cli;

import java.io.PrintWriter;
import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Mixin for a command that has a result: text for people, or with {@code --json} one object for programs. */
final class Output {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--json", description = "Print the result as one JSON object, the only line on stdout.")
    private boolean json;

    /** Prints a command's result, once, at its end: {@code result} as JSON, or {@code text}. */
    void print(Object result, Consumer<PrintWriter> text) {
        PrintWriter out = command.commandLine().getOut();
        if (json) {
            out.println(Json.line(result));
        } else {
            text.accept(out);
        }
        check(out);
    }

    /** Prints a piece of a result that comes bit by bit; with {@code --json} the result at the end has it. */
    void stream(String piece) {
        if (!json) {
            PrintWriter out = command.commandLine().getOut();
            out.print(piece);
            check(out);
        }
    }

    private static void check(PrintWriter out) {
        if (out.checkError()) {
            throw new CliException("cannot write the result to stdout: its disk is full, or its reader is gone");
        }
    }

    /** Returns what to throw for wrong usage that only the command can see. */
    ParameterException wrongUsage(String message) {
        return new ParameterException(command.commandLine(), message);
    }

    /** Returns where progress and remarks go. */
    PrintWriter err() {
        return command.commandLine().getErr();
    }
}
