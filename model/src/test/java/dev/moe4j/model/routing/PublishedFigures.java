package dev.moe4j.model.routing;

/** The routing figures under the names that the published system logs them by. */
public final class PublishedFigures {

    private PublishedFigures() {}

    /** The figure of that name; an unknown name fails, so that no figure goes unchecked. */
    public static double of(String name, RoutingStatistics statistics, double entropy) {
        if (name.equals("entropy_gating")) {
            return entropy;
        }
        int rank = name.replaceAll("\\D", "").transform(Integer::parseInt) - 1;
        return switch (name.replaceAll("\\d", "")) {
            case "overflow_expert" -> statistics.overflow()[rank];
            case "unused_expert_count" -> statistics.unused()[rank];
            case "expert_balance_top" -> statistics.balanceTop()[rank];
            case "expert_balance_bottom" -> statistics.balanceBottom()[rank];
            default -> throw new IllegalArgumentException("no figure is called " + name);
        };
    }
}
