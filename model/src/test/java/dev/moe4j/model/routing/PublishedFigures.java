package dev.moe4j.model.routing;

/** The routing figures under the published system's log names. */
public final class PublishedFigures {

    private PublishedFigures() {}

    /** The figure of a name. An unknown name fails, so every figure is checked. */
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
