package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What every communicator holds when something goes wrong. */
abstract class CommunicatorFailureContract extends CommunicatorMismatchContract {

    private static final Duration SHORT = Duration.ofMillis(100);

    @Test
    void whoDoesNotComeIsNamed() throws Exception {
        List<Communicator> world = world(3);
        try (CommBuffer a = floats(world.get(0), 1f);
                CommBuffer b = floats(world.get(2), 1f)) {
            Work first = allReduce(world.get(0), a, ReduceOp.SUM, "x");
            Work other = allReduce(world.get(2), b, ReduceOp.SUM, "x");
            String message =
                    "allReduce(SUM, F32 x 1, tag 'x'), collective 0 of group 'world', was not done"
                            + " within 100 ms: rank 1 did not come, ranks 0, 2 did. Find out what rank"
                            + " 1 does instead (jstack), or raise the deadline.";
            assertThatThrownBy(() -> first.await(SHORT))
                    .isInstanceOfSatisfying(
                            CollectiveTimeoutException.class,
                            e -> {
                                assertThat(e.missing()).containsExactly(1);
                                assertThat(e.arrived()).containsExactly(0, 2);
                                assertThat(e.waited()).isEqualTo(SHORT);
                                assertThat(e.call().tag()).isEqualTo("x");
                            })
                    .hasMessage(message);
            assertThatThrownBy(() -> other.await(LONG)).hasMessage(message);
            assertThatThrownBy(() -> world.get(1).barrier("later").await(LONG)).hasMessage(message);
        }
    }

    @Test
    void theCommunicatorsOwnDeadlineHoldsForWhoOnlyLooks() throws Exception {
        Communicator c = world(2, SHORT).get(0);
        Work work = c.barrier("x");
        long end = System.nanoTime() + LONG.toNanos();
        while (!work.isDone() && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        assertThat(work.failure()).get().isInstanceOf(CollectiveTimeoutException.class);
    }

    @Test
    void rankThatAbortsIsNamedWithStepOperationAndCause() throws Exception {
        List<Communicator> world = world(3);
        IllegalStateException cause = new IllegalStateException("bad batch");
        List<Throwable> failures =
                RankGroup.failures(
                        world,
                        c -> {
                            c.progress("train", 7);
                            c.barrier("start").await(LONG);
                            if (c.rank() == 1) {
                                c.abort(cause);
                            }
                            c.barrier("next").await(LONG);
                            return null;
                        });
        assertThat(failures)
                .allSatisfy(
                        f -> {
                            assertThat(f)
                                    .isInstanceOf(RankFailedException.class)
                                    .hasCause(cause)
                                    .hasMessage(
                                            failed(
                                                    1,
                                                    " at step 7, in phase 'train', after"
                                                            + " barrier(tag 'start')",
                                                    "java.lang.IllegalStateException: bad batch"));
                            assertThat(f.getCause()).isSameAs(cause);
                            RankFailedException e = (RankFailedException) f;
                            assertThat(e.rank()).isEqualTo(1);
                            assertThat(e.step()).isEqualTo(7);
                            assertThat(e.host()).isEqualTo(host(1));
                            assertThat(e.pid()).isEqualTo(ProcessHandle.current().pid());
                        });
    }

    /** What counts as the host of a rank, here that of the test. */
    protected String host(int rank) {
        return GroupContext.localHostId();
    }

    /**
     * How many more collectives may have succeeded on one rank than on another when the group
     * fails: none where one word of memory decides for all.
     */
    protected long mayDiffer() {
        return 0;
    }

    /** Waits for a failure, which takes its time to come from another host, and returns it. */
    private static Throwable failure(Work work) {
        long end = System.nanoTime() + LONG.toNanos();
        while (work.failure().isEmpty() && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        return work.failure().orElseThrow();
    }

    private String failed(int rank, String where, String cause) {
        return "Rank "
                + rank
                + " (process "
                + ProcessHandle.current().pid()
                + " on "
                + host(rank)
                + ") failed"
                + where
                + " in group 'world': "
                + cause
                + ". The other ranks cannot go on; mend what stopped rank "
                + rank
                + ".";
    }

    @Test
    void rankThatLeavesIsNamed() throws Exception {
        List<Communicator> world = world(2);
        List<Throwable> failures = new ArrayList<>();
        Work before = world.get(0).barrier("x");
        world.get(1).close();
        failures.add(failure(before));
        failures.add(failure(world.get(0).barrier("y")));
        assertThat(failures)
                .hasSize(2)
                .allSatisfy(
                        f ->
                                assertThat(f)
                                        .isInstanceOf(RankFailedException.class)
                                        .hasCauseInstanceOf(CommunicatorClosedException.class)
                                        .hasMessage(
                                                failed(
                                                        1,
                                                        ", before its first collective",
                                                        "org.yoloddp.comm.CommunicatorClosedException:"
                                                                + " rank 1 has closed its communicator"
                                                                + " of group 'world'")));
    }

    @Test
    void rankThatLeavesBehindItsOwnWorkIsNamed() throws Exception {
        List<Communicator> world = world(2);
        Work left = allReduce(world.get(1), floats(world.get(1), 1f), ReduceOp.SUM, "x");
        world.get(1).close();
        assertThat(failure(left)).isInstanceOf(RankFailedException.class);
        assertThatThrownBy(() -> world.get(0).barrier("x").await(LONG))
                .isInstanceOf(RankFailedException.class)
                .hasMessageContaining("during allReduce(SUM, F32 x 1, tag 'x')");
    }

    @Test
    void firstFailureStays() throws Exception {
        List<Communicator> world = world(2);
        world.get(0).abort(new IllegalStateException("first"));
        world.get(1).abort(new IllegalStateException("second"));
        assertThat(failure(world.get(1).barrier("x")).getCause()).hasMessage("first");
        assertThat(failure(world.get(0).barrier("x")).getCause()).hasMessage("first");
    }

    @Test
    void abortForAConsequenceKeepsTheRootCause() throws Exception {
        List<Communicator> world = world(3);
        List<Communicator> pairs = RankGroup.results(world, c -> c.split("pair", 0, 1).orElse(c));
        Communicator pair = pairs.get(0);
        pairs.get(1).abort(new IllegalStateException("root"));
        Throwable seen = failure(pair.barrier("x"));
        world.get(0).abort(new RuntimeException("wrapped", seen));
        Throwable everywhere = failure(world.get(2).barrier("x"));
        assertThat(everywhere)
                .isInstanceOf(RankFailedException.class)
                .hasMessage(seen.getMessage());
        assertThat(everywhere.getCause()).hasMessage("root");
    }

    @Test
    void failureOfASplitGroupSparesTheOthersAndAbortOfTheWholeDoesNot() throws Exception {
        List<Communicator> world = world(2);
        List<Communicator> as = RankGroup.results(world, c -> c.split("a", 1, 0).orElseThrow());
        List<Communicator> bs = RankGroup.results(world, c -> c.split("b", 0, 1).orElseThrow());
        as.get(0).abort(new IllegalStateException("only a"));
        assertThat(((RankFailedException) failure(as.get(1).barrier("x"))).rank()).isZero();
        RankGroup.results(
                world,
                c -> {
                    c.barrier("world").await(LONG);
                    bs.get(c.rank()).barrier("b").await(LONG);
                    return true;
                });
        Work pending = bs.get(0).barrier("pending");
        world.get(1).abort(new IllegalStateException("all"));
        assertThat(failure(pending).getCause()).hasMessage("all");
    }

    @Test
    void abortAtAnyMomentEndsAllRanksAlike() throws Exception {
        SplittableRandom random = new SplittableRandom(11);
        for (int round = 0; round < 150; round++) {
            int size = 2 + round % 3;
            long count = round % 5 == 0 ? 400_000 : 1 + random.nextInt(3000);
            long spins = random.nextInt(20_000);
            int aborter = random.nextInt(size);
            List<Communicator> world = world(size);
            CountDownLatch started = new CountDownLatch(size);
            Thread thread =
                    new Thread(
                            () -> {
                                try {
                                    assertThat(started.await(30, TimeUnit.SECONDS)).isTrue();
                                } catch (InterruptedException e) {
                                    throw new IllegalStateException(e);
                                }
                                for (long i = 0; i < spins; i++) {
                                    Thread.onSpinWait();
                                }
                                world.get(aborter).abort(new IllegalStateException("now"));
                            });
            thread.start();
            List<Long> done = new ArrayList<>(Collections.nCopies(size, 0L));
            List<Throwable> failures =
                    RankGroup.failures(
                            world,
                            c -> {
                                started.countDown();
                                try (CommBuffer b = c.allocate(DType.F32, count)) {
                                    for (long i = 0; ; i++) {
                                        c.progress("train", i);
                                        Work first = allReduce(c, b, ReduceOp.SUM, "g" + i);
                                        Work second = c.barrier("b" + i);
                                        first.await(LONG);
                                        done.set(c.rank(), 2 * i + 1);
                                        second.await(LONG);
                                        done.set(c.rank(), 2 * i + 2);
                                    }
                                }
                            });
            thread.join(TimeUnit.SECONDS.toMillis(30));
            assertThat(failures)
                    .allSatisfy(
                            f -> {
                                assertThat(f).isInstanceOf(RankFailedException.class);
                                assertThat(((RankFailedException) f).rank()).isEqualTo(aborter);
                                assertThat(f.getCause()).hasMessage("now");
                            });
            assertThat(Collections.max(done) - Collections.min(done))
                    .as("collectives that succeeded on ranks: %s", done)
                    .isLessThanOrEqualTo(mayDiffer());
            world.forEach(Communicator::close);
        }
    }

    @Test
    void closeOfARankDuringACollectiveEndsAllRanks() throws Exception {
        SplittableRandom random = new SplittableRandom(5);
        for (int round = 0; round < 50; round++) {
            List<Communicator> world = world(3);
            long steps = random.nextInt(40);
            List<Throwable> failures =
                    RankGroup.failures(
                            world,
                            c -> {
                                CommBuffer b = c.allocate(DType.F32, 30_000);
                                for (long i = 0; ; i++) {
                                    Work work = allReduce(c, b, ReduceOp.SUM, "g" + i);
                                    if (c.rank() == 2 && i == steps) {
                                        c.close();
                                    }
                                    work.await(LONG);
                                }
                            });
            for (int rank = 0; rank < 2; rank++) {
                assertThat(failures.get(rank)).isInstanceOf(RankFailedException.class);
                assertThat(((RankFailedException) failures.get(rank)).rank()).isEqualTo(2);
            }
        }
    }

    @Test
    void bufferClosedTooEarlyIsFreedWhenTheCollectiveIsDone() throws Exception {
        for (int round = 0; round < 20; round++) {
            RankGroup.results(
                    world(2),
                    c -> {
                        CommBuffer buffer = c.allocate(DType.F32, 1_000_000);
                        Work work = allReduce(c, buffer, ReduceOp.SUM, "x");
                        buffer.close();
                        work.await(LONG);
                        return true;
                    });
        }
    }
}
