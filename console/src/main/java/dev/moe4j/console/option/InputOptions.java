package dev.moe4j.console.option;

import dev.moe4j.console.output.Output;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Mixin for all commands that read text: the input files and their splitting into documents. */
public final class InputOptions {
    @Parameters(
            arity = "0..*",
            paramLabel = "INPUT",
            description =
                    "Folders, files, zip archives, glob patterns such as 'data/**/*.jsonl', or - for standard input.")
    private List<String> inputs = List.of();

    @Option(
            names = "--format",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "Input format: auto (by name and content), text, jsonl, csv, tsv or parquet (default: auto).")
    private String format;

    @Option(
            names = "--field",
            paramLabel = "NAME",
            defaultValue = "text",
            description = "The field or column that holds the text, for files with records (default: text).")
    private String field;

    @Option(
            names = "--split",
            paramLabel = "file|blank-line|paper",
            defaultValue = "file",
            description =
                    "How to split a text file into documents: file (one document), blank-line (at empty lines) or "
                            + "paper (blank-line, with each newline replaced by an end-of-text token, as in the "
                            + "published "
                            + "study). Default: file.")
    private String split;

    @Option(
            names = "--on-error",
            paramLabel = "fail|skip",
            defaultValue = "fail",
            description = "How to handle damaged files and records without text: fail or skip (default: fail).")
    private String onError;

    @Option(
            names = "--max-document",
            paramLabel = "MIB",
            defaultValue = "128",
            description = "The largest accepted document, in MiB, from 1 to 1024 (default: 128).")
    private int maxDocument;

    @Option(names = "--collapse-spaces", description = "Replace each run of spaces and tabs with one space.")
    private boolean collapseSpaces;

    InputOptions() {}

    /**
     * Returns the text input that the options describe.
     *
     * @throws picocli.CommandLine.ParameterException if an option is wrong
     */
    public TextInput read(Output output) {
        if (inputs.isEmpty()) {
            throw output.wrongUsage("Missing required parameter: 'INPUT'");
        }
        if (maxDocument < 1 || maxDocument > 1024) {
            throw output.wrongUsage("--max-document must be from 1 to 1024");
        }
        return TextInput.ofNames(inputs)
                .format(oneOf(output, "--format", format, TextFormat.values()))
                .field(field)
                .splitting(oneOf(output, "--split", split, DocumentBoundary.values()))
                .transform(collapseSpaces ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE)
                .onError(oneOf(output, "--on-error", onError, OnError.values()))
                .limits(Limits.DEFAULT.documentBytes((long) maxDocument << 20));
    }

    /**
     * Returns the enum constant that an option names, in lower case with {@code -} for {@code _}. Another name is
     * wrong usage.
     */
    public static <E extends Enum<E>> E oneOf(Output output, String option, String value, E[] all) {
        List<String> names = Stream.of(all)
                .map(e -> e.name().toLowerCase(Locale.ROOT).replace('_', '-'))
                .toList();
        int index = names.indexOf(value);
        if (index < 0) {
            throw output.wrongUsage(option + " " + value + " is unknown: use "
                    + String.join(", ", names.subList(0, names.size() - 1)) + " or " + names.getLast());
        }
        return all[index];
    }
}
