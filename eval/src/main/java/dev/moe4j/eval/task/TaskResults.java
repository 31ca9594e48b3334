package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.statistics.Bootstrap;
import dev.moe4j.eval.statistics.Wilson;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Computes a task's result from the outcomes of its runs. */
final class TaskResults {

    private static final double[] UNKNOWN = {Double.NaN, Double.NaN};

    private TaskResults() {}

    /**
     * Computes the result.
     *
     * @throws EvalException if no question fits the model's context
     */
    static TaskResult of(Questions questions, List<TaskRun> runs, List<TaskResult.Shown> shown) {
        Task task = questions.task();
        TaskSettings settings = questions.settings();
        TaskFile.Scoring scoring = task.scoring();
        List<Example> examples = questions.examples();
        List<Integer> all = IntStream.range(0, examples.size())
                .filter(i -> runs.getFirst().outcomes()[i].length > 0)
                .boxed()
                .toList();
        if (all.isEmpty()) {
            throw new EvalException(task.name() + ": not one of " + examples.size()
                    + " questions fits the model's context; use a model with a longer context");
        }
        Map<String, List<Integer>> categories = new LinkedHashMap<>();
        for (int i : all) {
            categories
                    .computeIfAbsent(examples.get(i).category(), _ -> new ArrayList<>())
                    .add(i);
        }
        boolean plain = categories.containsKey("");
        return new TaskResult(
                task.name(),
                questions.split(),
                questions.file().toString(),
                all.size(),
                examples.size() - all.size(),
                settings.shots(),
                questions.poolSource(),
                runs.size(),
                settings.seed(),
                task.formulation(),
                scoring.part() == TaskFile.Part.CONTINUATION
                        ? "the continuation"
                        : "the part after the candidates' longest common prefix",
                scoring.measure() == Measure.EXACT
                        ? "exact match with greedy decoding"
                        : scoring.normalise().description(),
                settings.beginToken() ? "the end-of-text token" : "nothing",
                settings.newlines() == TaskSettings.Newlines.KEEP ? "kept" : "the end-of-text token",
                figures(questions, runs, all),
                scoring.measure().chance(all.stream().map(examples::get).toList()),
                plain ? "" : "category",
                plain
                        ? List.of()
                        : categories.entrySet().stream()
                                .map(entry -> new TaskResult.Category(
                                        entry.getKey(),
                                        entry.getValue().size(),
                                        figures(questions, runs, entry.getValue())))
                                .toList(),
                runs.stream().mapToLong(TaskRun::dropped).sum(),
                runs.stream().mapToLong(TaskRun::cut).sum(),
                shown);
    }

    /** The metrics of some questions: mean and deviation over runs, interval over questions. */
    private static List<TaskResult.Figure> figures(Questions questions, List<TaskRun> runs, List<Integer> some) {
        Measure measure = questions.task().scoring().measure();
        Map<String, double[]> values = new LinkedHashMap<>();
        for (int run = 0; run < runs.size(); run++) {
            double[][] outcomes = runs.get(run).outcomes();
            int number = run;
            measure.figures(some.stream()
                            .map(i -> new Measure.Outcome(
                                    outcomes[i], questions.examples().get(i).group()))
                            .toList())
                    .forEach((name, value) ->
                            values.computeIfAbsent(name, _ -> new double[runs.size()])[number] = value);
        }
        List<Measure.Outcome> means = some.stream()
                .map(i -> mean(questions.examples().get(i), runs, i))
                .toList();
        List<String> strata =
                some.stream().map(i -> questions.examples().get(i).category()).toList();
        Map<String, double[]> intervals =
                intervals(means, strata, measure, questions.settings().seed());
        List<TaskResult.Figure> figures = new ArrayList<>();
        values.forEach((name, sample) -> {
            double mean = Arrays.stream(sample).average().orElseThrow();
            double squares =
                    Arrays.stream(sample).map(x -> (x - mean) * (x - mean)).sum();
            double deviation = sample.length == 1 ? Double.NaN : Math.sqrt(squares / (sample.length - 1));
            double[] interval = intervals.getOrDefault(name, UNKNOWN);
            figures.add(new TaskResult.Figure(name, mean, deviation, interval[0], interval[1]));
        });
        return figures;
    }

    /**
     * The 95 % interval of each metric: the bootstrap's. If all draws agree, Wilson's interval for a proportion and NaN
     * for any other metric.
     */
    static Map<String, double[]> intervals(
            List<Measure.Outcome> outcomes, List<String> strata, Measure measure, long seed) {
        Map<String, double[]> intervals = Bootstrap.intervals(outcomes, strata, measure::figures, seed);
        intervals.replaceAll((name, interval) -> {
            if (interval[0] < interval[1]) {
                return interval;
            }
            return measure.isShare(name) ? Wilson.interval(interval[0], outcomes.size()) : UNKNOWN;
        });
        return intervals;
    }

    /** A question's outcome, averaged over runs. */
    private static Measure.Outcome mean(Example example, List<TaskRun> runs, int question) {
        double[] sum = new double[runs.getFirst().outcomes()[question].length];
        for (TaskRun run : runs) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += run.outcomes()[question][i] / runs.size();
            }
        }
        return new Measure.Outcome(sum, example.group());
    }
}
