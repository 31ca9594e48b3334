package dev.moe4j.cli.data;

import dev.moe4j.console.option.InputOptions;
import dev.moe4j.console.option.NewFileOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.training.BpeTrainer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j tokenizer train}: trains a byte-level BPE tokenizer. */
@Command(
        name = "train",
        description = {
            "Train a byte-level BPE tokenizer on text and write it as a tokenizer.json.",
            "Splits text like GPT-2 before merging. The same text gives the same file for any number of "
                    + "threads. Use the file with `prepare --tokenizer FILE` or with Hugging Face's tokenizers "
                    + "library."
        })
final class TokenizerTrainCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private InputOptions input;

    @Mixin
    private NewFileOptions file;

    @Option(
            names = "--vocabulary",
            required = true,
            paramLabel = "N",
            description = "Vocabulary size: 256 bytes, the merges and the end-of-text token. At least 257.")
    private int vocabulary;

    TokenizerTrainCommand() {}

    /**
     * The result that {@code --json} prints.
     *
     * @param hash the file's SHA-256, in hex
     * @param textBytes the size of the training text as UTF-8, in bytes
     * @param pieces the number of distinct pre-tokens, such as words
     * @param forgotten how often a rare piece was dropped because there were too many
     * @param skipped numbers of skipped files and records, by reason
     */
    record Report(
            Path out,
            String hash,
            int vocabulary,
            long documents,
            long textBytes,
            long pieces,
            long forgotten,
            Map<String, Long> skipped,
            double seconds) {}

    @Override
    public Integer call() {
        long start = System.nanoTime();
        BpeTrainer.checkFree(file.out, file.overwrite);
        TextInput text = input.read(output);
        BpeTrainer trainer = output.usage(() -> new BpeTrainer(vocabulary, text).threads(file.threads));
        BpeTrainer.Trained trained;
        try (ProgressLine progress = ProgressLine.start(output.err(), "tokenizer", text.bytes())) {
            trained = trainer.onProgress(p -> progress.update(
                            p.inputBytes(),
                            p.tokens() == 0 ? "" : String.format("%,d of %,d tokens", p.tokens(), vocabulary)))
                    .run();
        }
        trained.write(file.out, file.overwrite);
        Map<String, Long> skipped = new TreeMap<>();
        trained.skipped()
                .counts()
                .forEach((reason, count) -> skipped.put(reason.name().toLowerCase(Locale.ROOT), count));
        Report report = new Report(
                file.out,
                trained.hash(),
                vocabulary,
                trained.documents(),
                trained.textBytes(),
                trained.pieces(),
                trained.forgotten(),
                skipped,
                (System.nanoTime() - start) / 1e9);
        output.print(report, to -> print(report, trained.skipped().toString(), to));
        return 0;
    }

    private static void print(Report report, String skipped, PrintWriter out) {
        out.printf("%s: %,d entries%n", report.out(), report.vocabulary());
        out.printf(
                "trained on %,d documents, %,d bytes, %,d distinct pieces, %.1f s%n",
                report.documents(), report.textBytes(), report.pieces(), report.seconds());
        if (report.forgotten() > 0) {
            out.printf("rare pieces dropped because there were too many: %,d%n", report.forgotten());
        }
        if (!report.skipped().isEmpty()) {
            out.println("left out: " + skipped);
        }
    }
}
