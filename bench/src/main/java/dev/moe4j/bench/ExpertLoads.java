package dev.moe4j.bench;

import dev.moe4j.model.routing.LayerRouting;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Accumulates the mean {@link ExpertLoad} over layers and steps. */
final class ExpertLoads {

    private double idle;
    private double busiest;
    private int routers;

    /** Adds one step's layers. */
    void add(List<LayerRouting> routing) {
        for (LayerRouting layer : routing) {
            double[] load = layer.statistics().load();
            idle += (double) Arrays.stream(load).filter(share -> share == 0).count() / load.length;
            busiest += Arrays.stream(load).max().orElseThrow();
            routers++;
        }
    }

    /** The mean; empty if no layer was added. */
    Optional<ExpertLoad> mean() {
        return routers == 0 ? Optional.empty() : Optional.of(new ExpertLoad(idle / routers, busiest / routers));
    }
}
