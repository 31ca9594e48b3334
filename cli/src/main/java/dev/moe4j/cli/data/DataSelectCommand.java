package dev.moe4j.cli.data;

import dev.moe4j.console.option.InputOptions;
import dev.moe4j.console.option.NewFileOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.text.select.QualityRule;
import dev.moe4j.text.select.Selector;
import dev.moe4j.text.source.TextFormat;
import dev.moe4j.text.source.TextInput;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j data select}: selects the documents to leave out. */
@Command(
        name = "select",
        description = {
            "Select documents to leave out: duplicates, low-quality text, text of evaluation sets.",
            "Only the filters that you request are applied. Writes a file that lists each dropped document "
                    + "and the reason. Pass that file to `prepare --selection` together with the same input."
        })
final class DataSelectCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private InputOptions input;

    @Mixin
    private NewFileOptions file;

    @Option(names = "--exact", description = "Drop documents whose text equals an earlier document's.")
    private boolean exact;

    @Option(
            names = "--near",
            paramLabel = "SIMILARITY",
            description = "Drop near-duplicates: documents whose estimated Jaccard similarity to an earlier document, "
                    + "over sequences of five words, reaches this value, from 0.5 to 1, for example 0.8. Includes "
                    + "exact duplicates. Default: off.")
    private double near;

    @Option(
            names = "--rules",
            paramLabel = "gopher",
            description =
                    "Drop documents that break a rule of this rule set. gopher: the rules of the Gopher paper, for "
                            + "prose. Default: none.")
    private String rules = "";

    @Option(
            names = "--rule",
            paramLabel = "NAME=BOUND",
            description = "Drop documents outside a bound, for example min-words=50. May be repeated. An unknown name "
                    + "prints all rule names.")
    private Map<String, Double> bounds = Map.of();

    @Option(
            names = "--evaluation",
            paramLabel = "PATH",
            description = "Drop documents that share a sequence of words with these evaluation files or folders (JSON: "
                    + "each string is a text; other files: each line). May be repeated.")
    private List<String> evaluation = List.of();

    @Option(
            names = "--evaluation-words",
            paramLabel = "N",
            description = "Length of a shared sequence for --evaluation, in words (default: 13).")
    private int evaluationWords = Selector.EVALUATION_WORDS;

    DataSelectCommand() {}

    /** The result that {@code --json} prints. */
    record Selected(Path out, Selector.Report report, double seconds) {}

    @Override
    public Integer call() {
        long start = System.nanoTime();
        TextInput text = input.read(output);
        Selector selector =
                output.usage(() -> new Selector(text).exact(exact).near(near).threads(file.threads));
        bounds().forEach(selector::rule);
        if (!evaluation.isEmpty()) {
            selector.evaluation(TextInput.ofNames(evaluation).format(TextFormat.TEXT), evaluationWords);
        }
        Selector.Report report;
        try (ProgressLine progress = ProgressLine.start(output.err(), "select", text.bytes())) {
            report = selector.onProgress(p -> progress.update(
                            p.inputBytes(), String.format("%,d documents, %,d left out", p.documents(), p.dropped())))
                    .run(file.out, file.overwrite);
            progress.update(text.bytes(), "");
        }
        Selected selected = new Selected(file.out, report, (System.nanoTime() - start) / 1e9);
        output.print(selected, to -> print(selected, to));
        return 0;
    }

    private Map<QualityRule, Double> bounds() {
        Map<QualityRule, Double> all = new LinkedHashMap<>();
        if (rules.equals("gopher")) {
            for (QualityRule rule : QualityRule.values()) {
                rule.gopher().ifPresent(bound -> all.put(rule, bound));
            }
        } else if (!rules.isEmpty()) {
            throw output.wrongUsage("--rules " + rules + " is unknown: use gopher");
        }
        bounds.forEach((name, bound) -> all.put(QualityRule.parse(name), bound));
        return all;
    }

    private static void print(Selected selected, PrintWriter out) {
        Selector.Report report = selected.report();
        out.printf("%s: %,d of %,d documents left out%n", selected.out(), report.dropped(), report.documents());
        report.reasons()
                .forEach((reason, count) -> out.printf(
                        "  %-28s %,12d documents %,16d bytes%s%n",
                        reason,
                        count.documents(),
                        count.textBytes(),
                        report.acrossSources().containsKey(reason)
                                ? String.format(
                                        ", %,d across sources",
                                        report.acrossSources().get(reason))
                                : ""));
        out.printf("%-30s %12s %12s %16s%n", "source", "documents", "kept", "bytes kept");
        report.sources()
                .forEach((name, source) -> out.printf(
                        "%-30s %,12d %,12d %,16d%n",
                        name,
                        source.read().documents(),
                        source.kept().documents(),
                        source.kept().textBytes()));
        if (report.evaluationTexts() > 0) {
            out.printf(
                    "evaluation: %,d texts with %,d distinct word sequences; %,d texts are too short to match%n",
                    report.evaluationTexts(), report.evaluationWords(), report.evaluationTooShort());
            report.evaluation().forEach((file, count) -> out.printf("  %-50s %,8d documents%n", file, count));
        }
        if (!report.skipped().isEmpty()) {
            out.println("not read: " + report.skipped());
        }
        out.printf("%.1f s%n", selected.seconds());
    }
}
