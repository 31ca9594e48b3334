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

/** {@code moe4j tokenizer train}: a byte-level BPE of one's own text. */
@Command(
        name = "train",
        description = {
            "Make a tokenizer of text: byte-level BPE with GPT-2's pieces, as a tokenizer.json.",
            "The same text gives the same file, whatever the number of threads. `prepare --tokenizer FILE` takes it, and"
                    + " so does Hugging Face's library."
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
            description = "The number of entries: 256 bytes, merges, and the end of text. From 257.")
    private int vocabulary;

    TokenizerTrainCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param hash SHA-256 of the file, in hex
     * @param textBytes of UTF-8 text
     * @param pieces the different words and the like that it was made of
     * @param forgotten how often a rare piece was forgotten, since there were too many
     * @param skipped files and records left out, by reason
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
                "of %,d documents, %,d bytes, %,d different pieces, %.1f s%n",
                report.documents(), report.textBytes(), report.pieces(), report.seconds());
        if (report.forgotten() > 0) {
            out.printf("rare pieces forgotten, since there were too many: %,d%n", report.forgotten());
        }
        if (!report.skipped().isEmpty()) {
            out.println("left out: " + skipped);
        }
    }
}
