package dev.moe4j.report.pair;

import java.time.Instant;
import java.util.List;

/**
 * The content of a report on a dense model and a mixture of experts that were trained on the same text.
 *
 * @param title the page's heading
 * @param created time at which the runs ended
 * @param machine the machine and its settings, in words
 * @param sentence the result in one sentence
 * @param tokenizer name of the tokenizer, such as {@code gpt2:2048}
 * @param vocabulary size of the tokenizer's vocabulary, special tokens included
 * @param data the training and evaluation texts
 * @param dense summary of the dense run
 * @param moe summary of the mixture's run
 * @param speedups one speedup per held-out text and cost, the most important first
 */
public record ReportData(
        String title,
        Instant created,
        String machine,
        String sentence,
        String tokenizer,
        int vocabulary,
        TextData data,
        RunSummary dense,
        RunSummary moe,
        List<PairSpeedup> speedups) {

    /**
     * The texts of the two runs.
     *
     * @param sources the texts, in display order
     * @param heldOut the held-out text and how it was selected, in words
     * @param notes transformations and warnings, such as collapsed spaces; one sentence each
     */
    public record TextData(List<Source> sources, String heldOut, List<String> notes) {
        public TextData {
            sources = List.copyOf(sources);
            notes = List.copyOf(notes);
        }
    }

    /**
     * One text.
     *
     * @param name folder, archive or file
     * @param use its purpose, such as {@code training} or {@code held out, in-domain}
     * @param documents number of documents
     * @param tokens number of tokens with the report's tokenizer
     * @param overlap share of the text that occurs in the training text, from 0 to 1; NaN if not checked, and for the
     *     training text
     */
    public record Source(String name, String use, long documents, long tokens, double overlap) {}

    public ReportData {
        speedups = List.copyOf(speedups);
    }
}
