package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ParallelTasksTest {

    private static final int THREADS = 3;

    private int before;

    @BeforeEach
    void useThreeThreads() {
        Libtorch.load();
        before = Libtorch.threads();
        Libtorch.threads(THREADS);
    }

    @AfterEach
    void restoreThreads() {
        Libtorch.threads(before);
    }

    @Test
    void runsEachTaskOnceAndTheFirstOnesSideBySide() {
        Map<Integer, Thread> threadOf = new ConcurrentHashMap<>();
        CountDownLatch together = new CountDownLatch(THREADS);
        ParallelTasks.run(100, i -> {
            assertThat(threadOf.put(i, Thread.currentThread())).isNull();
            if (i < THREADS) {
                together.countDown();
                try {
                    together.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        });
        assertThat(threadOf.keySet())
                .containsExactlyInAnyOrderElementsOf(
                        IntStream.range(0, 100).boxed().toList());
        assertThat(threadOf.values()).contains(Thread.currentThread());
        assertThat(threadOf.values().stream().distinct()).hasSize(THREADS);
    }

    @Test
    void operationsOfATaskUseOneThreadAndThoseAfterwardsAllAgain() {
        Map<Integer, Integer> threads = new ConcurrentHashMap<>();
        ParallelTasks.run(30, i -> threads.put(i, torch.get_num_threads()));
        assertThat(threads.values()).hasSize(30).containsOnly(1);
        assertThat(torch.get_num_threads()).isEqualTo(THREADS);
    }

    @Test
    void aTasksTensorsAreFreedAndItRecordsNoGraph() {
        try (Scope _ = Scope.open()) {
            Tensor results = Tensor.zeros(DType.FLOAT32, Device.CPU, 50);
            long live = Scope.liveTensors();
            ParallelTasks.run(50, i -> {
                assertThat(GradMode.is_enabled()).isFalse();
                results.narrow(0, i, 1).copy(Tensor.full(i, DType.FLOAT32, Device.CPU, 1));
            });
            assertThat(Scope.liveTensors()).isEqualTo(live);
            assertThat(results.toDoubles())
                    .isEqualTo(IntStream.range(0, 50).asDoubleStream().toArray());
        }
    }

    @Test
    void aFailureEndsTheRunAndIsThrownWhereverItHappened() {
        Thread caller = Thread.currentThread();
        for (boolean inCaller : new boolean[] {true, false}) {
            AtomicInteger begun = new AtomicInteger();
            assertThatThrownBy(() -> ParallelTasks.run(100_000, i -> {
                        begun.incrementAndGet();
                        if ((Thread.currentThread() == caller) == inCaller) {
                            throw new IllegalArgumentException("task " + i);
                        }
                        // The other tasks must not end before the failing task has started.
                        LockSupport.parkNanos(1_000_000);
                    }))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("task ");
            assertThat(begun.get()).isLessThan(100_000);
            assertThat(torch.get_num_threads()).isEqualTo(THREADS);
        }
    }

    @Test
    void oneTaskKeepsAllThreadsAndNoneDoesNothing() {
        Map<Integer, Integer> threads = new ConcurrentHashMap<>();
        ParallelTasks.run(1, i -> threads.put(i, torch.get_num_threads()));
        ParallelTasks.run(0, i -> threads.put(-1, i));
        assertThat(threads).isEqualTo(Map.of(0, THREADS));
    }
}
