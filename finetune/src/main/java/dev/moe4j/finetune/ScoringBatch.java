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
 * A micro-batch of {@link ScoringInput}s, whose sequences are padded on the right to one length.
 *
 * @param inputs the inputs, in batch order
 * @param tokens the padded sequences; a position has a target if its hidden state is scored
 */
record ScoringBatch(List<ScoringInput> inputs, TokenBatch tokens) {

    /** The largest number of logits in a micro-batch, 128 MiB in float32. A single input may have more. */
    private static final long LOGITS = 1L << 25;

    private static ScoringBatch of(List<ScoringInput> inputs) {
        int length = inputs.stream().mapToInt(ScoringInput::longest).max().orElseThrow();
        int count = inputs.stream().mapToInt(input -> input.sequences().size()).sum();
        long[] tokens = new long[count * length];
        long[] targets = new long[count * length];
        Arrays.fill(tokens, TokenBatch.PADDING);
        Arrays.fill(targets, TokenBatch.NONE);
        int first = 0;
        for (ScoringInput input : inputs) {
            for (int sequence = 0; sequence < input.sequences().size(); sequence++) {
                int[] read = input.sequences().get(sequence);
                for (int i = 0; i < read.length; i++) {
                    tokens[(first + sequence) * length + i] = read[i];
                }
            }
            for (ScoringInput.ScoreTerm term : input.terms()) {
                targets[(first + term.sequence()) * length + term.position()] = term.target();
            }
            first += input.sequences().size();
        }
        return new ScoringBatch(List.copyOf(inputs), new TokenBatch(tokens, targets, count));
    }

    /**
     * Splits inputs into micro-batches. Inputs of similar length go together, which saves padding. Without inputs the
     * list is empty.
     *
     * @param batchTokens most tokens of a micro-batch, padding included; a larger input gets its own
     * @param outputs number of the head's outputs
     */
    static List<ScoringBatch> cut(List<ScoringInput> inputs, int batchTokens, int outputs) {
        List<ScoringInput> ordered = new ArrayList<>(inputs);
        ordered.sort(Comparator.comparingInt(input -> -input.longest()));
        List<ScoringBatch> batches = new ArrayList<>();
        List<ScoringInput> together = new ArrayList<>();
        long sequences = 0;
        long terms = 0;
        for (ScoringInput input : ordered) {
            sequences += input.sequences().size();
            terms += input.terms().size();
            int length = (together.isEmpty() ? input : together.getFirst()).longest();
            if (!together.isEmpty() && (sequences * length > batchTokens || terms * outputs > LOGITS)) {
                batches.add(of(together));
                together.clear();
                sequences = input.sequences().size();
                terms = input.terms().size();
            }
            together.add(input);
        }
        if (!together.isEmpty()) {
            batches.add(of(together));
        }
        return batches;
    }

    /** The largest number of candidates of any input. */
    int candidates() {
        return inputs.stream().mapToInt(ScoringInput::candidates).max().orElseThrow();
    }

    private int terms() {
        return inputs.stream().mapToInt(input -> input.terms().size()).sum();
    }

    /** Row of each term's hidden state in {@code [tokens, model]}; shape {@code [terms]}. */
    Tensor rows(Device device) {
        long[] rows = new long[terms()];
        int at = 0;
        int first = 0;
        for (ScoringInput input : inputs) {
            for (ScoringInput.ScoreTerm term : input.terms()) {
                rows[at++] = (long) (first + term.sequence()) * tokens.length() + term.position();
            }
            first += input.sequences().size();
        }
        return Tensor.of(rows).to(device);
    }

    /** Index of each term's output; shape {@code [terms]}. */
    Tensor targets(Device device) {
        return Tensor.of(inputs.stream()
                        .flatMap(input -> input.terms().stream())
                        .mapToLong(ScoringInput.ScoreTerm::target)
                        .toArray())
                .to(device);
    }

    /** Weight of each term in each score; shape {@code [inputs · candidates, terms]}. */
    Tensor weights(DType type, Device device) {
        int columns = terms();
        int candidates = candidates();
        double[] weights = new double[inputs.size() * candidates * columns];
        int at = 0;
        for (int i = 0; i < inputs.size(); i++) {
            for (ScoringInput.ScoreTerm term : inputs.get(i).terms()) {
                weights[(i * candidates + term.candidate()) * columns + at++] = term.weight();
            }
        }
        return Tensor.of(weights)
                .view((long) inputs.size() * candidates, columns)
                .to(type)
                .to(device);
    }

    /**
     * Additive mask of shape {@code [inputs, candidates]}: 0 for a candidate that counts, −∞ for one that does not.
     *
     * @param right whether only correct candidates count
     */
    Tensor mask(boolean right, DType type, Device device) {
        int candidates = candidates();
        double[] mask = new double[inputs.size() * candidates];
        for (int i = 0; i < inputs.size(); i++) {
            ScoringInput input = inputs.get(i);
            for (int c = 0; c < candidates; c++) {
                boolean counts =
                        c < input.candidates() && (!right || input.gold().contains(c));
                mask[i * candidates + c] = counts ? 0 : Double.NEGATIVE_INFINITY;
            }
        }
        return Tensor.of(mask).view(inputs.size(), candidates).to(type).to(device);
    }
}
