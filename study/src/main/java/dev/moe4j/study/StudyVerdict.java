package dev.moe4j.study;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a study shows and what it cannot, in plain words. */
final class StudyVerdict {

    private StudyVerdict() {}

    /** The result in one sentence; its limits stand in brackets at the end. */
    static String sentence(StudyResults results, List<ComparedGroup> groups) {
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
        return switch (comparison.verdict()) {
            case MIXTURE_PAYS ->
                "Mixtures pay in " + cost + ": they reach " + figure + " with "
                        + comparison.spending().less(factor) + " than dense models";
            case DENSE_PAYS ->
                "Dense models pay in " + cost + ": they reach " + figure + " with "
                        + comparison.spending().less(1 / factor) + " than mixtures, a speedup factor of "
                        + Numbers.fixed(factor, 2);
            case NO_DIFFERENCE ->
                "This study shows no sure difference in " + cost + ": at " + figure
                        + " the mixtures' speedup factor is " + Numbers.fixed(factor, 2);
            case NOT_REACHED ->
                "Whether mixtures pay in " + cost + " cannot be told: dense models and mixtures have no "
                        + comparison.figure().group().label() + " "
                        + comparison.figure().group().word()
                        + " in common that both enclose, and nothing is extrapolated";
        };
    }

    private static String inTime(Comparison comparison) {
        String factor = ", at a factor of " + Numbers.fixed(comparison.factor(), 2);
        return switch (comparison.verdict()) {
            case MIXTURE_PAYS -> "in time on this machine mixtures pay" + factor;
            case DENSE_PAYS -> "in time on this machine dense models pay" + factor;
            case NO_DIFFERENCE -> "in time on this machine there is no sure difference" + factor;
            case NOT_REACHED -> "nor can it be told in time";
        };
    }

    private static String intervals(Comparison flops, Comparison seconds) {
        boolean inFlops = !Double.isNaN(flops.low());
        boolean inTime = !Double.isNaN(seconds.low());
        if (inFlops && inTime) {
            return "95 % intervals " + range(flops) + " and " + range(seconds) + "; ";
        }
        if (inFlops) {
            return "95 % interval " + range(flops) + ", none in time; ";
        }
        return inTime ? "95 % interval in time " + range(seconds) + "; " : "no interval; ";
    }

    private static String range(Comparison comparison) {
        return Numbers.fixed(comparison.low(), 2) + " to " + Numbers.fixed(comparison.high(), 2);
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
                limits.add("Some models were trained with one seed only: for these no interval covers the seed, and"
                        + " factors of models of this size differ by ±" + Numbers.fixed(Speedup.SEED_SPREAD, 1)
                        + " or more between seeds.");
            }
            tasks(group).ifPresent(limits::add);
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

    /** How many zero-shot results guessing explains. */
    private static Optional<String> tasks(ComparedGroup group) {
        int all = 0;
        int above = 0;
        for (Rung rung : group.largest()) {
            for (Map.Entry<String, Trained.TaskScore> each :
                    rung.seeds().getFirst().zeroShot().entrySet()) {
                Trained.TaskScore score = each.getValue();
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
