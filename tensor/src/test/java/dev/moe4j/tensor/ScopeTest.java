package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

class ScopeTest {

    @Test
    void freesWhatWasMadeInItAndNothingElse() {
        long before = Scope.liveTensors();
        try (Scope outer = Scope.open()) {
            Tensor kept;
            try (Scope inner = Scope.open()) {
                kept = inner.escape(Tensor.of(1.0, 2.0));
                Tensor lost = kept.mul(2);
                assertThat(lost.toDoubles()).containsExactly(2, 4);
                assertThat(Scope.liveTensors()).isEqualTo(before + 2);
            }
            assertThat(Scope.liveTensors()).isEqualTo(before + 1);
            assertThat(kept.toDoubles()).containsExactly(1, 2);
            assertThat(outer.keep(kept)).isSameAs(kept);
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    /** Models, caches and snapshots are created by this method. */
    @Test
    void anOwnerThatCannotBeMadeLeavesNothing() {
        long before = Scope.liveTensors();
        assertThatThrownBy(() -> Scope.owner(scope -> {
                    try (Scope _ = Scope.open()) {
                        scope.keep(Tensor.of(1.0));
                        scope.keep(Tensor.of(2.0));
                    }
                    throw new IllegalStateException("the third fails");
                }))
                .hasMessage("the third fails");
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void aClosedTensorSaysSo() {
        try (Scope _ = Scope.open()) {
            Tensor closed = Tensor.of(1f, 2f);
            Tensor open = Tensor.of(1f, 2f);
            closed.close();
            List<Runnable> uses = List.of(
                    () -> closed.add(1),
                    () -> open.add(closed),
                    () -> open.addInPlace(closed),
                    closed::toFloats,
                    closed::memory,
                    closed::device,
                    () -> closed.view(2, 1),
                    () -> Tensor.concat(0, open, closed),
                    () -> Functions.layerNorm(open, closed, open, 1e-5),
                    () -> Functions.upperBound(open, closed));
            assertThat(uses)
                    .allSatisfy(use -> assertThatThrownBy(use::run)
                            .isInstanceOf(TensorException.class)
                            .hasMessageStartingWith("a tensor was used after it was closed"));
        }
    }

    @Test
    void aDetachedScopeOutlivesTheBlock() {
        long before = Scope.liveTensors();
        try (Scope owner = Scope.detached()) {
            Tensor kept;
            try (Scope _ = Scope.open()) {
                kept = owner.keep(Tensor.of(3.0));
            }
            assertThat(kept.item()).isEqualTo(3);
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void closingEarlyIsAllowedOnce() {
        long before = Scope.liveTensors();
        try (Scope _ = Scope.open()) {
            Tensor early = Tensor.of(3.0);
            early.close();
            early.close();
            assertThat(Scope.liveTensors()).isEqualTo(before);
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void misuseIsAnError() throws Exception {
        assertThatThrownBy(() -> Tensor.of(1.0)).hasMessageContaining("no scope is open");
        Scope outer = Scope.open();
        Scope inner = Scope.open();
        assertThatThrownBy(outer::close).hasMessageContaining("reverse order");
        Callable<Throwable> elsewhere = () -> {
            try {
                inner.close();
                return new AssertionError("closed on another thread");
            } catch (TensorException e) {
                return e;
            }
        };
        try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
            assertThat(pool.submit(elsewhere).get()).hasMessageContaining("own thread");
        }
        inner.close();
        outer.close();
        Scope closed = Scope.detached();
        closed.close();
        try (Scope _ = Scope.open()) {
            Tensor tensor = Tensor.of(1.0);
            assertThatThrownBy(() -> closed.keep(tensor)).hasMessageContaining("float64[1]");
        }
    }

    @Test
    void tellsWhereLivingTensorsWereMade() {
        // The module's tests run with -Dmoe4j.debug.tensors=true.
        try (Scope _ = Scope.open()) {
            Tensor kept = Tensor.of(1.0);
            assertThat(Scope.liveReport()).anyMatch(line -> line.contains("tellsWhereLivingTensorsWereMade"));
            assertThat(kept.elements()).isEqualTo(1);
        }
        assertThat(Scope.liveReport()).noneMatch(line -> line.contains("tellsWhereLivingTensorsWereMade"));
    }
}
