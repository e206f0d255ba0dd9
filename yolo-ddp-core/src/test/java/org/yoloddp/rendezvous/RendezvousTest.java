package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.testing.Tap;

@Timeout(30)
class RendezvousTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Map<String, String> FACTS = Map.of("libtorch", "2.7.1");

    private final JobToken token = JobToken.random();
    private final StoreServer server =
            StoreServer.start(TcpStoreTest.loopback(0), token, StoreOptions.defaults());
    private final List<TcpStore> stores = new ArrayList<>();

    @AfterEach
    void close() {
        stores.forEach(TcpStore::close);
        server.close();
    }

    private TcpStore store(int generation, int rank) {
        StoreOptions options = StoreOptions.defaults().withGeneration(generation).withRank(rank);
        TcpStore store = TcpStore.connect(server.address(), token, options, LONG);
        stores.add(store);
        return store;
    }

    private CompletableFuture<List<Hello>> join(
            int generation, int rank, int size, Map<String, String> facts) {
        TcpStore store = store(generation, rank);
        return CompletableFuture.supplyAsync(() -> Rendezvous.join(store, rank, size, facts, LONG));
    }

    private static String rank(int rank) {
        return Hello.of("", "", -1, rank).describe();
    }

    private static void assertFails(
            CompletableFuture<?> joining, Class<? extends Throwable> type, String message) {
        assertThatThrownBy(() -> joining.get(10, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(type)
                .hasMessage(message);
    }

    @Test
    void allMeetAndKnowEachOther() throws Exception {
        List<CompletableFuture<List<Hello>>> joining = new ArrayList<>();
        for (int rank = 0; rank < 3; rank++) {
            joining.add(join(0, rank, 3, FACTS));
        }
        for (CompletableFuture<List<Hello>> one : joining) {
            assertThat(one.get(10, TimeUnit.SECONDS))
                    .extracting(Hello::describe)
                    .containsExactly(rank(0), rank(1), rank(2));
        }
    }

    @Test
    void whoIsMissingIsSaidAgainAndAgainAndAtTheEnd() {
        List<String> notices = new ArrayList<>();
        Duration deadline = Duration.ofMillis(700);
        TcpStore store = store(0, 1);
        assertThatThrownBy(
                        () ->
                                Rendezvous.join(
                                        store,
                                        1,
                                        5,
                                        FACTS,
                                        deadline,
                                        Duration.ofMillis(100),
                                        notices::add))
                .isInstanceOfSatisfying(
                        RendezvousTimeoutException.class,
                        e -> assertThat(e.missing()).containsExactly(0, 2, 3, 4))
                .hasMessage(
                        "Of 5 ranks, ranks 0, 2-4 did not come to the rendezvous within 700 ms;"
                                + " these did: "
                                + rank(1)
                                + ". See the logs of the missing ones; all need the same"
                                + " MASTER_ADDR, MASTER_PORT and WORLD_SIZE, and each its RANK.");
        assertThat(notices)
                .hasSizeBetween(2, 7)
                .containsOnly("waiting for ranks [0, 2-4] of 5, 0 s left");
    }

    @Test
    void otherWorldSizeEndsAllWithTheSameReason() {
        CompletableFuture<List<Hello>> first = join(0, 0, 2, FACTS);
        // Rank 0 has said its size as soon as its note is there.
        stores.get(0).await(List.of("rendezvous/rank/0"), LONG);
        CompletableFuture<List<Hello>> second = join(0, 1, 3, FACTS);
        String message =
                rank(1)
                        + " says that the world has 3 ranks, but "
                        + rank(0)
                        + " says 2. Start all ranks with the same WORLD_SIZE (nodes x processes per"
                        + " node).";
        assertFails(second, RendezvousRefusedException.class, message);
        assertFails(first, RendezvousRefusedException.class, message);
    }

    @Test
    void otherFactsEndAllWithEveryDifferenceNamed() {
        Map<String, String> other = Map.of("libtorch", "2.6.0", "model", "abc");
        String message =
                "The ranks differ: "
                        + rank(1)
                        + " has libtorch 2.6.0, "
                        + rank(0)
                        + " has 2.7.1; "
                        + rank(1)
                        + " has model abc, "
                        + rank(0)
                        + " has nothing. Give all ranks the same.";
        List<CompletableFuture<List<Hello>>> joining =
                List.of(join(0, 0, 3, FACTS), join(0, 1, 3, other), join(0, 2, 3, FACTS));
        joining.forEach(one -> assertFails(one, RendezvousRefusedException.class, message));
    }

    @Test
    void secondProcessOfARankIsRefusedAndTheOthersGoOn() throws Exception {
        InMemoryStore store = new InMemoryStore();
        CompletableFuture<List<Hello>> one =
                CompletableFuture.supplyAsync(() -> Rendezvous.join(store, 1, 2, FACTS, LONG));
        store.await(List.of("rendezvous/rank/1"), LONG);
        assertThatThrownBy(() -> Rendezvous.join(store, 1, 2, FACTS, LONG))
                .isInstanceOf(RendezvousRefusedException.class)
                .hasMessage(
                        rank(1)
                                + " has come, but "
                                + rank(1)
                                + " has come before. Start each rank once.");
        Rendezvous.join(store, 0, 2, FACTS, LONG);
        assertThat(one.get(10, TimeUnit.SECONDS)).hasSize(2);
    }

    /** A rank that was left over from before the restart does not count as present. */
    @Test
    void formerGenerationIsNotMet() throws Exception {
        CompletableFuture<List<Hello>> old = join(0, 1, 2, FACTS);
        stores.get(0).await(List.of("rendezvous/rank/1"), LONG);
        server.beginGeneration(1);
        CompletableFuture<List<Hello>> zero = join(1, 0, 2, FACTS);
        assertThatThrownBy(() -> old.get(10, TimeUnit.SECONDS))
                .hasCauseInstanceOf(StoreConnectionException.class);
        assertThat(zero).isNotDone();
        join(1, 1, 2, FACTS).get(10, TimeUnit.SECONDS);
        zero.get(10, TimeUnit.SECONDS);
    }

    /** The others may have been ended by the same signal before they came. */
    @Test
    void interruptEndsTheWait() {
        TcpStore store = store(0, 1);
        Thread.currentThread().interrupt();
        try {
            assertThatThrownBy(() -> Rendezvous.join(store, 1, 4, FACTS, LONG))
                    .isInstanceOf(RendezvousInterruptedException.class)
                    .hasMessage(
                            "Rank 1 was interrupted at the rendezvous, to which ranks 0, 2, 3 of 4"
                                    + " had not come. Nothing has begun, so nothing is lost.");
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    /** As when the launcher that serves it is stopped and goes on. */
    @Test
    void storeThatDoesNotAnswerForAWhileIsWaitedFor() throws Exception {
        try (Tap tap = Tap.on(server.address())) {
            StoreOptions options = StoreOptions.defaults().withGeneration(0).withRank(0);
            TcpStore store = TcpStore.connect(tap.address(), token, options, LONG);
            stores.add(store);
            CountDownLatch waiting = new CountDownLatch(1);
            Duration often = Duration.ofMillis(50);
            CompletableFuture<List<Hello>> zero =
                    CompletableFuture.supplyAsync(
                            () ->
                                    Rendezvous.join(
                                            store,
                                            0,
                                            2,
                                            FACTS,
                                            LONG,
                                            often,
                                            notice -> waiting.countDown()));
            assertThat(waiting.await(10, TimeUnit.SECONDS)).isTrue();
            tap.hold(Duration.ofMillis(2500));
            CompletableFuture<List<Hello>> one = join(0, 1, 2, FACTS);
            assertThat(zero.get(10, TimeUnit.SECONDS)).hasSize(2);
            assertThat(one.get(10, TimeUnit.SECONDS)).hasSize(2);
        }
    }

    /** Who dies after it has come is noticed while the others still wait. */
    @Test
    void deathDuringTheRendezvousEndsTheWait() throws Exception {
        TcpStore store = store(0, 0);
        FailureChannel channel = store.failureChannel(LONG);
        BlockingQueue<Object> told = new LinkedBlockingQueue<>();
        channel.onFailure(told::add);
        CompletableFuture<List<Hello>> zero =
                CompletableFuture.supplyAsync(() -> Rendezvous.join(store, 0, 3, FACTS, LONG));
        TcpStore other = store(0, 1);
        other.failureChannel(LONG).report(new IllegalStateException("no disk"));
        assertThat(told.poll(10, TimeUnit.SECONDS)).isNotNull();
        assertThatThrownBy(() -> zero.get(10, TimeUnit.SECONDS))
                .cause()
                .isInstanceOfSatisfying(
                        RankFailedException.class, e -> assertThat(e.rank()).isEqualTo(1));
    }

    /** Whoever gives up first fails, as all are told; but all say who is missing. */
    @Test
    void allNameWhoIsMissingThoughTheFirstToGiveUpIsToldToAll() {
        Duration patience = Duration.ofMillis(300);
        List<CompletableFuture<List<Hello>>> joining = new ArrayList<>();
        for (int rank : new int[] {0, 2}) {
            TcpStore store = store(0, rank);
            FailureChannel channel = store.failureChannel(LONG);
            Duration deadline = rank == 0 ? patience : LONG;
            joining.add(
                    CompletableFuture.supplyAsync(
                            () -> Rendezvous.join(store, rank, 4, FACTS, deadline)));
            joining.get(joining.size() - 1)
                    .whenComplete((ranks, failure) -> channel.report(failure.getCause()));
        }
        for (CompletableFuture<List<Hello>> one : joining) {
            assertThatThrownBy(() -> one.get(10, TimeUnit.SECONDS))
                    .cause()
                    .isInstanceOfSatisfying(
                            RendezvousTimeoutException.class,
                            e -> assertThat(e.missing()).containsExactly(1, 3));
        }
    }

    @Test
    void rankBeyondTheWorldIsRefused() {
        assertThatThrownBy(() -> Rendezvous.join(new InMemoryStore(), 2, 2, FACTS, LONG))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("Rank 2 of 2 cannot be: RANK is below WORLD_SIZE");
    }
}
