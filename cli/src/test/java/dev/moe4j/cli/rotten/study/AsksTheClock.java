package dev.moe4j.cli.rotten.study;

import java.time.Instant;

final class AsksTheClock {
    private AsksTheClock() {}

    static Instant started() {
        return Instant.now();
    }
}
