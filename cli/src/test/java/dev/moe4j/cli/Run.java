package dev.moe4j.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;

/** The result of a command line that ran in this JVM: exit code, stdout and stderr, with lines that end in \n. */
public record Run(int code, String out, String err) {
    public static Run of(String... args) {
        Main main = new Main();
        return of(main, Main.commandLine(main, args), args);
    }

    public static Run of(Main main, CommandLine line, String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code = Main.run(main, line, new PrintWriter(out), new PrintWriter(err), args);
        return new Run(code, unix(out), unix(err));
    }

    private static String unix(StringWriter text) {
        return text.toString().replace("\r\n", "\n");
    }
}
