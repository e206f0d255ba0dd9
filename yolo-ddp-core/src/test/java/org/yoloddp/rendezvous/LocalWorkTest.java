package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/** With a made-up clock: each wait of the store that times out lets its time pass. */
@Timeout(30)
class LocalWorkTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Heartbeats LIMITS =
            Heartbeats.defaults().withPhase("saving", Duration.ofMinutes(3));

    private final InMemoryStore store = new InMemoryStore();
    private final List<String> notices = new ArrayList<>();
    private long now;
    private Runnable meanwhile = () -> {};

    /** What happens at each look of who waits. */
    private final class Clocked implements Store {

        @Override
        public void await(List<String> keys, Duration deadline) {
            meanwhile.run();
            try {
                store.await(keys, Duration.ofMillis(1));
            } catch (StoreTimeoutException e) {
                now += deadline.toNanos();
                throw e;
            }
        }

        @Override
        public void set(String key, byte[] value, Duration deadline) {
            store.set(key, value, deadline);
        }

        @Override
        public byte[] get(String key, Duration deadline) {
            return store.get(key, deadline);
        }

        @Override
        public byte[] take(String key, Duration deadline) {
            return store.take(key, deadline);
        }

        @Override
        public long add(String key, long delta, Duration deadline) {
            return store.add(key, delta, deadline);
        }

        @Override
        public boolean compareAndSet(
                String key, byte[] expected, byte[] desired, Duration deadline) {
            return store.compareAndSet(key, expected, desired, deadline);
        }
    }

    private LocalWork rank(int rank) {
        return new LocalWork(
                new Clocked(), rank, LIMITS, () -> now, Duration.ofSeconds(10), notices::add);
    }

    private void atSeconds(long seconds, Runnable action) {
        boolean[] done = {false};
        Runnable before = meanwhile;
        meanwhile =
                () -> {
                    before.run();
                    if (!done[0] && now >= TimeUnit.SECONDS.toNanos(seconds)) {
                        done[0] = true;
                        action.run();
                    }
                };
    }

    @Test
    void whoWaitsSaysForWhomEveryTenSeconds() {
        LocalWork zero = rank(0);
        LocalWork two = rank(2);
        zero.progress("saving epoch 3", 40);
        atSeconds(10, () -> zero.progress("saving epoch 3, last.safetensors", 40));
        atSeconds(20, () -> zero.await("saving epoch 3", 0));
        two.await("saving epoch 3", 0);
        assertThat(notices)
                .containsExactly(
                        "waiting for rank 0: saving epoch 3, 10 s so far",
                        "waiting for rank 0: saving epoch 3, last.safetensors, 20 s so far");
    }

    @Test
    void allWaitForAllAndOnlyTheMissingAreNamed() {
        LocalWork zero = rank(0);
        LocalWork one = rank(1);
        LocalWork two = rank(2);
        two.progress("validating epoch 0", 9);
        atSeconds(10, () -> CompletableFuture.runAsync(() -> one.await("validating", 0, 1, 2)));
        atSeconds(30, () -> CompletableFuture.runAsync(() -> two.await("validating", 0, 1, 2)));
        zero.await("validating", 0, 1, 2);
        assertThat(notices.get(0))
                .isEqualTo(
                        "waiting for rank 1: validating; rank 2: validating epoch 0, 10 s so far");
        assertThat(notices.get(notices.size() - 1))
                .startsWith("waiting for rank 2: validating epoch 0, ");
    }

    /** Slow is not stuck: hours may pass while there are signs of life. */
    @Test
    void whoMakesProgressMayTakeItsTime() {
        LocalWork zero = rank(0);
        meanwhile =
                () -> {
                    if (now < TimeUnit.HOURS.toNanos(2)) {
                        zero.progress("saving epoch 3", 40);
                    } else {
                        store.set("local/0/0", new byte[0], LONG);
                    }
                };
        rank(1).await("saving epoch 3", 0);
        assertThat(now).isGreaterThanOrEqualTo(TimeUnit.HOURS.toNanos(2));
    }

    @Test
    void whoMakesNoneFailsAfterTheLimitOfItsPhase() {
        rank(0).progress("saving epoch 3", 40);
        assertThatThrownBy(() -> rank(1).await("saving epoch 3", 0))
                .isInstanceOfSatisfying(
                        RankFailedException.class,
                        e -> {
                            assertThat(e.rank()).isZero();
                            assertThat(e.pid()).isEqualTo(ProcessHandle.current().pid());
                            assertThat(e.step()).isEqualTo(40);
                        })
                .hasMessage(
                        "Rank 0 (process "
                                + ProcessHandle.current().pid()
                                + " on "
                                + Hello.of("", "", 0, 0).host()
                                + ") failed at step 40, in phase 'saving epoch 3' in group 'world':"
                                + " no progress for more than 180000 ms while rank 1 waits for it."
                                + " The other ranks cannot go on; mend what stopped rank 0.");
        assertThat(Duration.ofNanos(now)).isBetween(Duration.ofMinutes(3), Duration.ofMinutes(4));
    }

    /** Whoever waits itself is not what the others wait for. */
    @Test
    void whoWaitsForAnotherIsNotTheOneThatStalls() {
        rank(1).progress("waiting for rank 0: saving", 40);
        LocalWork zero = rank(0);
        meanwhile = () -> zero.progress("saving epoch " + now, 40);
        atSeconds(
                3600,
                () -> {
                    store.set("local/0/0", new byte[0], LONG);
                    store.set("local/0/1", new byte[0], LONG);
                });
        rank(2).await("saving", 0, 1);
        assertThat(now).isGreaterThanOrEqualTo(TimeUnit.HOURS.toNanos(1));
    }

    private static void assertEnds(Supplier<Void> wait, Runnable failure, String message) {
        CompletableFuture<Void> waiting = CompletableFuture.supplyAsync(wait);
        assertThatThrownBy(() -> waiting.get(300, TimeUnit.MILLISECONDS)).isNotNull();
        long start = System.nanoTime();
        failure.run();
        assertThatThrownBy(() -> waiting.get(10, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(RankFailedException.class)
                .hasMessageContaining(message);
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));
    }

    /** At once, and not at the next look, which is ten seconds away. */
    @Test
    void failureOfTheJobEndsTheWaitAtOnce() {
        LocalWork one = LocalWork.of(store, 1, LIMITS);
        assertEnds(
                () -> {
                    one.await("saving", 0);
                    return null;
                },
                () ->
                        store.fail(
                                RankFailedException.of(
                                        "world", 0, "h", 1, 5, "x", new Exception("disk full"))),
                "disk full");
        JobToken token = JobToken.random();
        StoreOptions options = StoreOptions.defaults();
        try (StoreServer server = StoreServer.start(TcpStoreTest.loopback(0), token, options);
                TcpStore zero =
                        TcpStore.connect(server.address(), token, options.withRank(0), LONG);
                TcpStore other =
                        TcpStore.connect(server.address(), token, options.withRank(1), LONG)) {
            FailureChannel failing = zero.failureChannel(LONG);
            other.failureChannel(LONG);
            LocalWork waits = LocalWork.of(other, 1, LIMITS);
            assertEnds(
                    () -> {
                        waits.await("saving", 0);
                        return null;
                    },
                    () -> failing.report(new IllegalStateException("disk full")),
                    "disk full");
            // Nothing is waited for any more, but what is there can be read.
            other.set("there", new byte[] {7}, LONG);
            assertThat(other.get("there", LONG)).containsExactly(7);
            assertThatThrownBy(() -> other.get("never", LONG))
                    .isInstanceOf(RankFailedException.class);
            assertThatThrownBy(() -> other.get("never", Duration.ZERO))
                    .isInstanceOf(StoreTimeoutException.class);
        }
    }
}
