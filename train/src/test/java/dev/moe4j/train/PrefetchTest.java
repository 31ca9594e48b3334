package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.train.config.TrainException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class PrefetchTest {

    @Test
    void theNextOneIsMadeWhileThisOneIsUsed() throws InterruptedException {
        BlockingQueue<Long> made = new LinkedBlockingQueue<>();
        Prefetch<String> prefetch = new Prefetch<>(step -> {
            made.add(step);
            return "step " + step + (Thread.currentThread().isDaemon() ? "" : " on the caller's thread");
        });
        assertThat(prefetch.take(5)).isEqualTo("step 5");
        assertThat(made.poll(60, TimeUnit.SECONDS)).isEqualTo(5);
        assertThat(made.poll(60, TimeUnit.SECONDS)).isEqualTo(6); // before it was taken
        assertThat(prefetch.take(6)).isEqualTo("step 6");
        assertThat(made.poll(60, TimeUnit.SECONDS)).isEqualTo(7); // 6 was made only once
        assertThat(prefetch.take(2)).isEqualTo("step 2"); // as after a checkpoint was restored
        assertThat(made.poll(60, TimeUnit.SECONDS)).isEqualTo(2);
        assertThat(prefetch.take(3)).isEqualTo("step 3");
    }

    @Test
    void whatGoesWrongReachesTheStepThatNeedsIt() {
        Prefetch<Long> prefetch = new Prefetch<>(step -> {
            if (step == 3) {
                throw new TrainException("shard 3 is damaged");
            }
            return step;
        });
        assertThat(prefetch.take(1)).isEqualTo(1);
        assertThat(prefetch.take(2)).isEqualTo(2); // although 3 may have failed already
        assertThatThrownBy(() -> prefetch.take(3))
                .isInstanceOf(TrainException.class)
                .hasMessage("shard 3 is damaged");
        assertThatThrownBy(() -> prefetch.take(3)).isInstanceOf(TrainException.class);
        assertThat(prefetch.take(4)).isEqualTo(4);
    }

    @Test
    void waitingIsMeasured() {
        Semaphore ready = new Semaphore(0);
        Prefetch<Long> prefetch = new Prefetch<>(step -> {
            ready.acquireUninterruptibly();
            return step;
        });
        Thread.ofPlatform().daemon().start(() -> {
            try {
                Thread.sleep(30);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            ready.release();
        });
        assertThat(prefetch.take(1)).isEqualTo(1);
        assertThat(prefetch.takeWaitedSeconds()).isGreaterThan(0);
        assertThat(prefetch.takeWaitedSeconds()).isZero();
    }
}
