package dev.moe4j.cli;

import java.io.PrintWriter;
import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
        out.flush();
    }

    /** Returns where progress and remarks go. */
    PrintWriter err() {
        return command.commandLine().getErr();
    }
}
