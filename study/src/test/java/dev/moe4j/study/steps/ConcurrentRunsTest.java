package dev.moe4j.study.steps;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class ConcurrentRunsTest {

    private final List<String> log = new ArrayList<>();

    /** The first run would train for an hour if the second did not fail. */
    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void aFailureEndsTheOtherRunAndIsNamed() {
        CountDownLatch started = new CountDownLatch(1);
        List<Boolean> stopped = new ArrayList<>();
        ConcurrentRuns.Run dense = new ConcurrentRuns.Run("dense", stop -> {
            started.countDown();
            stopped.add(asked(stop, Duration.ofHours(1)));
        });
        ConcurrentRuns.Run moe = new ConcurrentRuns.Run("mixture of experts", _ -> {
            await(started);
            throw new StudyException("no memory");
        });

        assertThatThrownBy(() -> ConcurrentRuns.run(List.of(dense, moe), log::add, () -> {}))
                .isInstanceOf(StudyException.class)
                .hasMessage("no memory");

        assertThat(stopped).containsExactly(true);
        assertThat(log)
                .containsExactly("the training of the mixture of experts model failed: no memory;"
                        + " the other training ends now");
    }

    @Test
    void anErrorOfARunIsRethrown() {
        ConcurrentRuns.Run failing = new ConcurrentRuns.Run("dense", _ -> {
            throw new OutOfMemoryError("test");
        });

        assertThatThrownBy(() -> ConcurrentRuns.run(List.of(failing), log::add, () -> {}))
                .isInstanceOf(OutOfMemoryError.class);
        assertThat(log).containsExactly("the training of the dense model failed: test");
    }

    @Test
    void waitsForAllSuccessfulRuns() {
        List<String> done = new ArrayList<>();
        ConcurrentRuns.Run one = new ConcurrentRuns.Run("dense", stop -> {
            synchronized (done) {
                done.add("dense " + stop.getAsBoolean());
            }
        });
        ConcurrentRuns.Run other = new ConcurrentRuns.Run("mixture of experts", stop -> {
            synchronized (done) {
                done.add("mixture " + stop.getAsBoolean());
            }
        });

        ConcurrentRuns.run(List.of(one, other), log::add, () -> {});

        assertThat(done).containsExactlyInAnyOrder("dense false", "mixture false");
        assertThat(log).isEmpty();
    }

    private static boolean asked(BooleanSupplier stop, Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        while (!stop.getAsBoolean() && System.nanoTime() < end) {
            LockSupport.parkNanos(1_000_000);
        }
        return stop.getAsBoolean();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(5, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
