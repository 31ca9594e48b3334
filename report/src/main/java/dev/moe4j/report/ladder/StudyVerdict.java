package dev.moe4j.report.ladder;

import dev.moe4j.base.text.Numbers;
import dev.moe4j.data.statistics.TextOverlap;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.Comparison;
import dev.moe4j.report.statistics.Figure;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.Rung;
import dev.moe4j.report.statistics.Spending;
import dev.moe4j.report.statistics.Trained;
import dev.moe4j.report.statistics.Trained.TaskScore;
import dev.moe4j.report.statistics.Verdict;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a study shows and what it cannot, in plain words. */
public final class StudyVerdict {

    private StudyVerdict() {}

    /** The result in one sentence; its limits stand in brackets at the end. */
    public static String sentence(StudyResults results, List<ComparedGroup> groups) {
        if (groups.isEmpty()) {
            return "Nothing has been trained yet: " + results.missing() + " steps are missing.";
        }
        ComparedGroup group = groups.getFirst();
        Figure.Group figures = group.means().isEmpty()
                ? Figure.Group.IN_DOMAIN
                : group.means().getFirst().figure().group();
        Comparison flops = group.mean(figures, Spending.FLOPS);
        Comparison seconds = group.mean(figures, Spending.SECONDS);
        return finding(flops) + "; " + inTime(seconds) + " (" + intervals(flops, seconds) + size(group) + ").";
    }

    private static String finding(Comparison comparison) {
        String cost = comparison.spending().label();
        String figure = comparison.figure().group().label() + " "
                + comparison.figure().group().word() + " " + Numbers.significant(comparison.target(), 3);
        double factor = comparison.factor();
        String at = ": at " + figure + " the mixtures' speedup factor is " + Numbers.fixed(factor, 2);
        return switch (comparison.verdict()) {
            case MIXTURE_PAYS ->
                "Mixtures pay in " + cost + ": they reach " + figure + " with "
                        + comparison.spending().less(factor) + " than dense models";
            case DENSE_PAYS ->
                "Dense models pay in " + cost + ": they reach " + figure + " with "
                        + comparison.spending().less(1 / factor) + " than mixtures, a speedup factor of "
                        + Numbers.fixed(factor, 2);
            case NO_DIFFERENCE -> "This study shows no difference in " + cost + at;
            case UNDECIDED_ONE_SEED ->
                "Whether mixtures pay in " + cost + " is undecided, as one seed cannot tell" + at;
            case UNDECIDED ->
                "Whether mixtures pay in " + cost + " is undecided, as seeds differ too much for an interval" + at;
            case NOT_REACHED ->
                "Whether mixtures pay in " + cost + " cannot be told: dense models and mixtures have no "
                        + comparison.figure().group().label() + " "
                        + comparison.figure().group().word()
                        + " in common that both enclose, and nothing is extrapolated";
        };
    }

    private static String inTime(Comparison comparison) {
        return comparison.verdict() == Verdict.NOT_REACHED
                ? "nor can it be told in time"
                : "in time on this machine: " + comparison.verdict().words() + ", at a factor of "
                        + Numbers.fixed(comparison.factor(), 2);
    }

    private static String intervals(Comparison flops, Comparison seconds) {
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
        for (Rung rung : group.rungs()) {
            fewest = Math.min(fewest, rung.run().tokens());
            most = Math.max(most, rung.run().tokens());
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

    /** What has to be known before anything is concluded from it, a sentence each. */
    static List<String> limits(StudyResults results, List<ComparedGroup> groups) {
        List<String> limits = new ArrayList<>();
        if (results.missing() > 0) {
            limits.add(results.missing() + " steps of the study are not finished; what is missing is left out.");
        }
        for (ComparedGroup group : groups) {
            double largest = group.rungs().stream()
                    .mapToDouble(rung -> rung.run().parametersActive())
                    .max()
                    .orElse(0);
            limits.add(("The largest model uses %s parameters a token. What holds at this size need not hold at"
                            + " another: factors grow with training tokens, and a badly tuned family invents or hides"
                            + " one.")
                    .formatted(brief(largest)));
            if (group.fewestSeeds() < 2) {
                limits.add(
                        "Some models were trained with one seed only. A factor that one of them decides is undecided:"
                                + " nothing shows how much seeds differ.");
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
            limits.add("Energy was not measured everywhere: it is the time of training at " + watts
                    + " W for each run, an assumption, so that factors of energy are those of time.");
        }
        return limits;
    }

    /** Evaluation texts that were trained on, and those of which that is not known. */
    private static void overlaps(ComparedGroup group, List<String> limits) {
        Map<String, Double> shares = new LinkedHashMap<>();
        group.rungs().stream()
                .flatMap(rung -> rung.seeds().stream())
                .forEach(seed -> seed.texts()
                        .forEach(
                                (name, text) -> shares.merge(name, text.overlap(), (a, b) -> Double.isNaN(a) ? b : a)));
        String seen = shares.entrySet().stream()
                .filter(each -> each.getValue() > TextOverlap.LIMIT)
                .map(each -> each.getKey() + " (" + Numbers.significant(100 * each.getValue(), 2) + " %)")
                .collect(Collectors.joining(", "));
        if (!seen.isEmpty()) {
            limits.add(
                    "Parts of evaluation texts stand in the training text, so their perplexities flatter all models: "
                            + seen + ".");
        }
        String unknown = shares.entrySet().stream()
                .filter(each -> Double.isNaN(each.getValue()))
                .map(Map.Entry::getKey)
                .collect(Collectors.joining(", "));
        if (!unknown.isEmpty()) {
            limits.add("Not checked whether these evaluation texts stand in the training text: " + unknown + ".");
        }
    }

    /** Tasks whose questions do not all fit some model's context. */
    private static Optional<String> misfits(ComparedGroup group) {
        Map<String, TaskScore> worst = new LinkedHashMap<>();
        for (Rung rung : group.rungs()) {
            for (Trained seed : rung.seeds()) {
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

    /** How many zero-shot results guessing explains. */
    private static Optional<String> tasks(ComparedGroup group) {
        int all = 0;
        int above = 0;
        for (Rung rung : group.largest()) {
            for (Map.Entry<String, TaskScore> each :
                    rung.seeds().getFirst().zeroShot().entrySet()) {
                TaskScore score = each.getValue();
                if (!Double.isNaN(score.chance())) {
                    all++;
                    above += score.main().low() > score.chance() ? 1 : 0;
                }
            }
        }
        return all == 0
                ? Optional.empty()
                : Optional.of("%d of %d zero-shot results are above chance by their 95 %% intervals; the others"
                                .formatted(above, all)
                        + " say nothing about the models, nor do differences between them.");
    }
}
