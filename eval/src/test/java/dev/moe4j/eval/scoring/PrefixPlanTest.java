package dev.moe4j.eval.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.eval.task.PromptBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PrefixPlanTest {
    private static final int BATCH_TOKENS = 4096;
    private static final int EXAMPLES = 400;

    private static Request request(int[] tokens, int from) {
        return new Request(tokens, from, 1);
    }

    /** 128 few-shot questions with four candidates. The examples are the same, and the questions differ. */
    private static List<Request> fewShot() {
        SplittableRandom random = new SplittableRandom(1);
        int[] examples = random.ints(EXAMPLES, 0, 257).toArray();
        List<Request> requests = new ArrayList<>();
        for (int question = 0; question < 128; question++) {
            int[] prompt = PromptBuilder.join(examples, random.ints(20, 0, 257).toArray());
            for (int choice = 0; choice < 4; choice++) {
                int[] answer = random.ints(5, 0, 257).toArray();
                requests.add(request(PromptBuilder.join(prompt, answer), prompt.length));
            }
        }
        return requests;
    }

    private static void assertWithinBounds(PrefixPlan plan, List<Request> requests) {
        for (List<PrefixPlan.Group> batch : plan.batches()) {
            assertThat(PrefixPlan.cacheEntries(batch, requests)).isLessThanOrEqualTo(4L * BATCH_TOKENS);
        }
        assertThat(plan.batches().stream().flatMap(List::stream).flatMap(group -> group.members().stream()))
                .hasSize(requests.size())
                .doesNotHaveDuplicates();
    }

    /** Without a common prefix, joining the examples of all questions would save tokens but exceeds the limits. */
    @Test
    void placesAreBoundedWhereOneRequestSharesNothing() {
        List<Request> requests = fewShot();
        requests.add(request(new int[] {1, 2, 3}, 1));
        PrefixPlan plan = PrefixPlan.of(requests, BATCH_TOKENS);

        assertThat(plan.common()).isZero();
        assertWithinBounds(plan, requests);
        assertThat(plan.batches()).hasSizeBetween(14, 20);
    }

    @Test
    void aSharedPrefixIsComputedOnce() {
        List<Request> requests = fewShot();
        PrefixPlan plan = PrefixPlan.of(requests, BATCH_TOKENS);

        assertThat(plan.common()).isEqualTo(EXAMPLES);
        assertWithinBounds(plan, requests);
        assertThat(plan.batches().stream().flatMap(List::stream))
                .as("a group is a question")
                .allSatisfy(group -> assertThat(group.shared()).isEqualTo(EXAMPLES + 19));
    }

    @Test
    void aRequestBeyondTheBoundIsComputedAlone() {
        List<Request> requests = List.of(
                request(new int[3 * BATCH_TOKENS], 1), request(new int[5 * BATCH_TOKENS], 5 * BATCH_TOKENS - 1));
        assertThat(PrefixPlan.of(requests, BATCH_TOKENS).batches()).hasSize(2);
    }
}
