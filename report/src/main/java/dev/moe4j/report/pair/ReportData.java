package dev.moe4j.report.pair;

import java.time.Instant;
import java.util.List;

/**
 * All that a report shows: a dense model and a mixture of experts, trained on the same text and compared.
 *
 * @param title the page's heading
 * @param created when the runs ended
 * @param machine processor, threads, memory and measured matmul peak, in words
 * @param sentence the result in one sentence
 * @param tokenizer such as {@code gpt2:2048}
 * @param vocabulary entries of the tokenizer, special ones included
 * @param data the text
 * @param dense the dense run
 * @param moe the mixture's run
 * @param speedups one for each held-out text and cost, the most important first
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
        List<Speedup> speedups) {

    /**
     * Where the text came from.
     *
     * @param sources in the order to show
     * @param heldOut what was held out of training, and how, in words
     * @param notes what was done to the text, such as runs of spaces collapsed; one sentence each
     */
    public record TextData(List<Source> sources, String heldOut, List<String> notes) {
        public TextData {
            sources = List.copyOf(sources);
            notes = List.copyOf(notes);
        }
    }

    /**
     * One body of text.
     *
     * @param name folder, archive or file
     * @param use what it served for, such as {@code training} or {@code held out, in-domain}
     * @param documents how many
     * @param tokens in all, under the report's tokenizer
     * @param overlap the share of it that stands in the training text, from 0 to 1; NaN if that was not checked, and for
     *     the training text
     */
    public record Source(String name, String use, long documents, long tokens, double overlap) {}

    public ReportData {
        speedups = List.copyOf(speedups);
    }
}
