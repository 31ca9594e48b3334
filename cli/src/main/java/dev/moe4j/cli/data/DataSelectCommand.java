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

/** {@code moe4j data select}: which documents to leave out. */
@Command(
        name = "select",
        description = {
            "Decide which documents to leave out: duplicates, text of low quality, text of evaluation sets.",
            "Nothing is left out that is not asked for. The file that is written names each document and the reason;"
                    + " `prepare --selection FILE` of the same input leaves them out."
        })
final class DataSelectCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private InputOptions input;

    @Mixin
    private NewFileOptions file;

    @Option(names = "--exact", description = "Leave out documents with the text of an earlier one.")
    private boolean exact;

    @Option(
            names = "--near",
            paramLabel = "SIMILARITY",
            description = "Leave out documents that share so much with an earlier one, from 0.5 to 1, as in 0.8: the"
                    + " Jaccard index of their five words in a row, estimated. Exact duplicates too.")
    private double near;

    @Option(
            names = "--rules",
            paramLabel = "gopher",
            description = "Leave out documents that break one of Gopher's rules, which are for prose.")
    private String rules = "";

    @Option(
            names = "--rule",
            paramLabel = "NAME=BOUND",
            description = "Leave out documents beyond a bound, as in min-words=50; may be given again. An unknown name"
                    + " lists all.")
    private Map<String, Double> bounds = Map.of();

    @Option(
            names = "--evaluation",
            paramLabel = "PATH",
            description =
                    "Leave out documents that share words with these files or folders: strings of JSON, else lines;"
                            + " may be given again.")
    private List<String> evaluation = List.of();

    @Option(names = "--evaluation-words", paramLabel = "N", description = "So many words in a row (default: 13).")
    private int evaluationWords = Selector.EVALUATION_WORDS;

    DataSelectCommand() {}

    /** What {@code --json} prints. */
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
                    "evaluation: %,d texts with %,d different runs of words, %,d texts too short to be found%n",
                    report.evaluationTexts(), report.evaluationWords(), report.evaluationTooShort());
            report.evaluation().forEach((file, count) -> out.printf("  %-50s %,8d documents%n", file, count));
        }
        if (!report.skipped().isEmpty()) {
            out.println("not read: " + report.skipped());
        }
        out.printf("%.1f s%n", selected.seconds());
    }
}
