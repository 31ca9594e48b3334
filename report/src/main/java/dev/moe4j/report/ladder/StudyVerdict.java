package dev.moe4j.report.ladder;

import dev.moe4j.base.text.Numbers;
import dev.moe4j.data.statistics.TextOverlap;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.FamilySpeedup;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.ModelAtBudget;
import dev.moe4j.report.statistics.QualityMetric;
import dev.moe4j.report.statistics.TrainedModel;
import dev.moe4j.report.statistics.TrainedModel.TaskScore;
import dev.moe4j.report.statistics.Verdict;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Puts the result of studies and its limits into words. */
public final class StudyVerdict {

    private StudyVerdict() {}

    /** The result in one sentence, with intervals and sizes in brackets at the end. */
    public static String sentence(StudyResults results, List<ComparedGroup> groups) {
        if (groups.isEmpty()) {
            return "Nothing has been trained yet: " + results.missing() + " steps are missing.";
        }
        ComparedGroup group = groups.getFirst();
        QualityMetric.Group metrics = group.means().isEmpty()
                ? QualityMetric.Group.IN_DOMAIN
                : group.means().getFirst().metric().group();
        FamilySpeedup flops = group.mean(metrics, CostMeasure.FLOPS);
        FamilySpeedup seconds = group.mean(metrics, CostMeasure.SECONDS);
        return finding(flops) + "; " + inTime(seconds) + " (" + intervals(flops, seconds) + size(group) + ").";
    }

    private static String finding(FamilySpeedup comparison) {
        String cost = comparison.cost().label();
        String metric = comparison.metric().group().label() + " "
                + comparison.metric().group().word() + " " + Numbers.significant(comparison.target(), 3);
        double factor = comparison.factor();
        String at = ": at " + metric + " the mixtures' speedup factor is " + Numbers.fixed(factor, 2);
        return switch (comparison.verdict()) {
            case MIXTURE_PAYS ->
                "Mixtures pay in " + cost + ": they reach " + metric + " with "
                        + comparison.cost().less(factor) + " than dense models";
            case DENSE_PAYS ->
                "Dense models pay in " + cost + ": they reach " + metric + " with "
                        + comparison.cost().less(1 / factor) + " than mixtures, a speedup factor of "
                        + Numbers.fixed(factor, 2);
            case NO_DIFFERENCE -> "This study shows no difference in " + cost + at;
            case UNDECIDED_ONE_SEED ->
                "Whether mixtures pay in " + cost + " is undecided, as one seed shows no variation" + at;
            case UNDECIDED ->
                "Whether mixtures pay in " + cost + " is undecided, as seeds differ too much for an interval" + at;
            case NOT_REACHED ->
                "No verdict on whether mixtures pay in " + cost + ": dense models and mixtures have no "
                        + comparison.metric().group().label() + " "
                        + comparison.metric().group().word() + " in common, and nothing is extrapolated";
        };
    }

    private static String inTime(FamilySpeedup comparison) {
        return comparison.verdict() == Verdict.NOT_REACHED
                ? "no verdict in time"
                : "in time on this machine: " + comparison.verdict().words() + ", at a factor of "
                        + Numbers.fixed(comparison.factor(), 2);
    }

    private static String intervals(FamilySpeedup flops, FamilySpeedup seconds) {
        Optional<String> inFlops = flops.interval().map(StudyVerdict::range);
        Optional<String> inTime = seconds.interval().map(StudyVerdict::range);
        if (inFlops.isPresent() && inTime.isPresent()) {
            return "95 % intervals over seeds " + inFlops.get() + " and " + inTime.get() + "; ";
        }
        if (inFlops.isPresent()) {
            return "95 % interval over seeds " + inFlops.get() + ", none in time; ";
        }
        return inTime.map(range -> "95 % interval over seeds in time " + range + "; ")
                .orElse("no interval; ");
    }

    private static String range(Interval interval) {
        return Numbers.fixed(interval.low(), 2) + " to " + Numbers.fixed(interval.high(), 2);
    }

    private static String size(ComparedGroup group) {
        long fewest = Long.MAX_VALUE;
        long most = 0;
        for (ModelAtBudget model : group.models()) {
            fewest = Math.min(fewest, model.run().tokens());
            most = Math.max(most, model.run().tokens());
        }
        String seeds = group.fewestSeeds() == group.mostSeeds()
                ? group.mostSeeds() + " seed(s) each"
                : group.fewestSeeds() + " to " + group.mostSeeds() + " seeds";
        return "%d models, %s to %s tokens, %s"
                .formatted(group.largest().size(), brief((double) fewest), brief((double) most), seeds);
    }

    /** {@code 12.3M}. */
    private static String brief(double value) {
        return Numbers.si(value).replace(" ", "");
    }

    /** The limits of the result, one or two sentences each. */
    static List<String> limits(StudyResults results, List<ComparedGroup> groups) {
        List<String> limits = new ArrayList<>();
        if (results.missing() > 0) {
            limits.add(results.missing() + " steps of the study are not finished; their results are missing here.");
        }
        for (ComparedGroup group : groups) {
            double largest = group.models().stream()
                    .mapToDouble(model -> model.run().parametersActive())
                    .max()
                    .orElse(0);
            limits.add(("The largest model uses %s parameters per token. The result need not hold at another size."
                            + " Factors grow with training tokens, and a badly tuned family can create or hide a"
                            + " difference.")
                    .formatted(brief(largest)));
            if (group.fewestSeeds() < 2) {
                limits.add(
                        "Some models were trained with one seed only. A factor that depends on one of them is undecided,"
                                + " because the variation between seeds is unknown.");
            }
            overlaps(group, limits);
            tasks(group).ifPresent(limits::add);
            misfits(group).ifPresent(limits::add);
        }
        boolean assumed = results.trained().stream().anyMatch(each -> each.measuredJoules() == null);
        if (assumed) {
            String watts = results.studies().stream()
                    .map(study -> Numbers.significant(study.watts(), 3))
                    .distinct()
                    .collect(Collectors.joining(" or "));
            limits.add("Energy was not measured everywhere. It is training time at " + watts
                    + " W for each run, an assumption, so energy factors equal time factors.");
        }
        return limits;
    }

    /** Adds the evaluation texts that overlap with the training text, and those that were not checked. */
    private static void overlaps(ComparedGroup group, List<String> limits) {
        Map<String, Double> shares = new LinkedHashMap<>();
        group.models().stream()
                .flatMap(model -> model.seeds().stream())
                .forEach(seed -> seed.texts()
                        .forEach(
                                (name, text) -> shares.merge(name, text.overlap(), (a, b) -> Double.isNaN(a) ? b : a)));
        String seen = shares.entrySet().stream()
                .filter(each -> each.getValue() > TextOverlap.LIMIT)
                .map(each -> each.getKey() + " (" + Numbers.significant(100 * each.getValue(), 2) + " %)")
                .collect(Collectors.joining(", "));
        if (!seen.isEmpty()) {
            limits.add("Parts of evaluation texts occur in the training text, so perplexities on them are too low: "
                    + seen + ".");
        }
        String unknown = shares.entrySet().stream()
                .filter(each -> Double.isNaN(each.getValue()))
                .map(Map.Entry::getKey)
                .collect(Collectors.joining(", "));
        if (!unknown.isEmpty()) {
            limits.add("These evaluation texts were not checked for overlap with the training text: " + unknown + ".");
        }
    }

    /** Names the tasks whose questions do not all fit each model's context. */
    private static Optional<String> misfits(ComparedGroup group) {
        Map<String, TaskScore> worst = new LinkedHashMap<>();
        for (ModelAtBudget model : group.models()) {
            for (TrainedModel seed : model.seeds()) {
                Stream.of(seed.zeroShot(), seed.fewShot(), seed.bias())
                        .flatMap(scores -> scores.entrySet().stream())
                        .filter(each ->
                                each.getValue().leftOut() + each.getValue().cutPrompts() > 0)
                        .forEach(each -> worst.merge(
                                each.getKey()
                                        + (each.getValue().shots() > 0
                                                ? " with " + each.getValue().shots() + " examples"
                                                : ""),
                                each.getValue(),
                                (a, b) -> a.leftOut() + a.cutPrompts() >= b.leftOut() + b.cutPrompts() ? a : b));
            }
        }
        if (worst.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of("Not all questions fit the models' contexts, at worst: "
                + worst.entrySet().stream()
                        .map(each -> "%s, %d of %d questions left out, %d prompts cut"
                                .formatted(
                                        each.getKey(),
                                        each.getValue().leftOut(),
                                        each.getValue().leftOut()
                                                + each.getValue().questions(),
                                        each.getValue().cutPrompts()))
                        .collect(Collectors.joining("; "))
                + ".");
    }

    /** Counts the zero-shot results that are better than guessing. */
    private static Optional<String> tasks(ComparedGroup group) {
        int all = 0;
        int above = 0;
        for (ModelAtBudget model : group.largest()) {
            for (Map.Entry<String, TaskScore> each :
                    model.seeds().getFirst().zeroShot().entrySet()) {
                TaskScore score = each.getValue();
                if (!Double.isNaN(score.chance())) {
                    all++;
                    above += score.main().low() > score.chance() ? 1 : 0;
                }
            }
        }
        return all == 0
                ? Optional.empty()
                : Optional.of("%d of %d zero-shot results are above chance by their 95 %% intervals. The others"
                                .formatted(above, all)
                        + " are compatible with guessing, and so are differences between them.");
    }
}
