package dev.moe4j.bench;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.ModelConfig;

final class UsefulWork {
    private UsefulWork() {}

    /** Training FLOPs per token: the chosen experts' products, attention in full, router and head, times three. */
    static double flopsPerToken(Architecture architecture) {
        ModelConfig c = architecture.model();
        double width = c.width();
        double attention = 2 * width * 4 * width + 4 * width * c.context();
        double dense = 4 * width * c.ffn();
        double mixture = 4 * width * c.expertFfn() * (architecture.routing().topK() + c.sharedExperts())
                + 2 * width * c.experts();
        double head = 2 * width * c.vocabulary();
        int moe = c.moeLayers();
        return 3 * (c.layers() * attention + (c.layers() - moe) * dense + moe * mixture + head);
    }

    /** Parameters that no token of the model passes through at once. */
    static long inactiveParameters(Architecture architecture) {
        ModelConfig c = architecture.model();
        long expert = 2L * c.width() * c.expertFfn() + c.width() + c.expertFfn();
        return c.moeLayers() * expert * (c.experts() - architecture.routing().topK());
    }
}
