package dev.moe4j.finetune;

import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Sheets that go through a model together, their texts filled up behind their ends.
 *
 * @param sheets in their order
 * @param tokens the texts; those hidden states that count have a target
 */
record SheetBatch(List<Sheet> sheets, TokenBatch tokens) {

    /** Logits of marks that may exist at a time, beyond the first sheet's: 128 MiB in float32. */
    private static final long LOGITS = 1L << 25;

    private static SheetBatch of(List<Sheet> sheets) {
        int length = sheets.stream().mapToInt(Sheet::longest).max().orElseThrow();
        int count = sheets.stream().mapToInt(sheet -> sheet.texts().size()).sum();
        long[] tokens = new long[count * length];
        long[] targets = new long[count * length];
        Arrays.fill(tokens, TokenBatch.FILL);
        Arrays.fill(targets, TokenBatch.NONE);
        int first = 0;
        for (Sheet sheet : sheets) {
            for (int text = 0; text < sheet.texts().size(); text++) {
                int[] read = sheet.texts().get(text);
                for (int i = 0; i < read.length; i++) {
                    tokens[(first + text) * length + i] = read[i];
                }
            }
            for (Sheet.Mark mark : sheet.marks()) {
                targets[(first + mark.text()) * length + mark.place()] = mark.target();
            }
            first += sheet.texts().size();
        }
        return new SheetBatch(List.copyOf(sheets), new TokenBatch(tokens, targets, count));
    }

    /**
     * Sheets in batches of so many tokens, fill included, unless one sheet has more; those of about one length together. No
     * sheets are no batches.
     *
     * @param outputs of the head
     */
    static List<SheetBatch> cut(List<Sheet> sheets, int batchTokens, int outputs) {
        List<Sheet> ordered = new ArrayList<>(sheets);
        ordered.sort(Comparator.comparingInt(sheet -> -sheet.longest()));
        List<SheetBatch> batches = new ArrayList<>();
        List<Sheet> together = new ArrayList<>();
        long texts = 0;
        long marks = 0;
        for (Sheet sheet : ordered) {
            texts += sheet.texts().size();
            marks += sheet.marks().size();
            int length = (together.isEmpty() ? sheet : together.getFirst()).longest();
            if (!together.isEmpty() && (texts * length > batchTokens || marks * outputs > LOGITS)) {
                batches.add(of(together));
                together.clear();
                texts = sheet.texts().size();
                marks = sheet.marks().size();
            }
            together.add(sheet);
        }
        if (!together.isEmpty()) {
            batches.add(of(together));
        }
        return batches;
    }

    /** The most candidates of a sheet. */
    int candidates() {
        return sheets.stream().mapToInt(Sheet::candidates).max().orElseThrow();
    }

    private int marks() {
        return sheets.stream().mapToInt(sheet -> sheet.marks().size()).sum();
    }

    /** The row of each mark's hidden state, {@code [marks]}. */
    Tensor rows(Device device) {
        long[] rows = new long[marks()];
        int at = 0;
        int first = 0;
        for (Sheet sheet : sheets) {
            for (Sheet.Mark mark : sheet.marks()) {
                rows[at++] = (long) (first + mark.text()) * tokens.length() + mark.place();
            }
            first += sheet.texts().size();
        }
        return Tensor.of(rows).to(device);
    }

    /** {@code [marks]}. */
    Tensor targets(Device device) {
        return Tensor.of(sheets.stream()
                        .flatMap(sheet -> sheet.marks().stream())
                        .mapToLong(Sheet.Mark::target)
                        .toArray())
                .to(device);
    }

    /** What each mark counts in each score, {@code [sheets · candidates, marks]}. */
    Tensor weights(DType type, Device device) {
        int columns = marks();
        int candidates = candidates();
        double[] weights = new double[sheets.size() * candidates * columns];
        int at = 0;
        for (int i = 0; i < sheets.size(); i++) {
            for (Sheet.Mark mark : sheets.get(i).marks()) {
                weights[(i * candidates + mark.candidate()) * columns + at++] = mark.weight();
            }
        }
        return Tensor.of(weights)
                .view((long) sheets.size() * candidates, columns)
                .to(type)
                .to(device);
    }

    /**
     * 0 where a sheet has a candidate, −∞ where it has none, {@code [sheets, candidates]}.
     *
     * @param right whether wrong candidates are left out too
     */
    Tensor mask(boolean right, DType type, Device device) {
        int candidates = candidates();
        double[] mask = new double[sheets.size() * candidates];
        for (int i = 0; i < sheets.size(); i++) {
            Sheet sheet = sheets.get(i);
            for (int c = 0; c < candidates; c++) {
                boolean counts =
                        c < sheet.candidates() && (!right || sheet.gold().contains(c));
                mask[i * candidates + c] = counts ? 0 : Double.NEGATIVE_INFINITY;
            }
        }
        return Tensor.of(mask).view(sheets.size(), candidates).to(type).to(device);
    }
}
