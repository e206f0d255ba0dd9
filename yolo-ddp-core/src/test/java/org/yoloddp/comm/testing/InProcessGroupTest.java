package org.yoloddp.comm.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;

class InProcessGroupTest {

    private static final Duration LONG = Duration.ofSeconds(30);

    @Test
    void returnsTheResultsByRank() throws Exception {
        List<Float> means =
                InProcessGroup.run(
                        3,
                        communicator -> {
                            try (CommBuffer buffer = communicator.allocate(DType.F32, 1)) {
                                buffer.bytes().putFloat(0, communicator.rank());
                                communicator
                                        .allReduce(buffer, ReduceOp.AVG, ComputeStream.HOST, "mean")
                                        .await(communicator.deadline());
                                return buffer.bytes().getFloat(0);
                            }
                        },
                        LONG);
        assertThat(means).containsExactly(1f, 1f, 1f);
    }

    @Test
    void throwsWhatTheFailingRankThrew() {
        IOException problem = new IOException("disk gone");
        List<Throwable> others = new CopyOnWriteArrayList<>();
        Throwable thrown =
                catchThrowable(
                        () ->
                                InProcessGroup.run(
                                        3,
                                        c -> {
                                            if (c.rank() == 1) {
                                                throw problem;
                                            }
                                            Throwable seen =
                                                    catchThrowable(
                                                            () -> c.barrier("b").await(LONG));
                                            others.add(seen);
                                            return null;
                                        },
                                        LONG));
        assertThat(thrown).isSameAs(problem);
        assertThat(others)
                .hasSize(2)
                .allSatisfy(
                        t ->
                                assertThat(t)
                                        .isInstanceOf(RankFailedException.class)
                                        .hasCause(problem));
    }

    @Test
    void throwsTheMismatch() {
        assertThatThrownBy(
                        () ->
                                InProcessGroup.run(
                                        2,
                                        c -> {
                                            c.barrier("b" + c.rank()).await(LONG);
                                            return null;
                                        },
                                        LONG))
                .isInstanceOf(CollectiveMismatchException.class);
    }

    @Test
    void errorsComeThroughToo() {
        assertThatThrownBy(
                        () ->
                                InProcessGroup.run(
                                        1,
                                        c -> {
                                            throw new AssertionError("not equal");
                                        },
                                        LONG))
                .isInstanceOf(AssertionError.class)
                .hasMessage("not equal");
    }

    @Test
    void ranksThatHangAreShownWithTheirStacks() {
        CountDownLatch never = new CountDownLatch(1);
        Throwable thrown =
                catchThrowable(
                        () ->
                                InProcessGroup.run(
                                        2,
                                        c -> c.rank() == 0 || never.await(1, TimeUnit.HOURS),
                                        Duration.ofMillis(200)));
        assertThat(thrown)
                .isInstanceOf(RanksStuckException.class)
                .hasMessage(
                        "Rank 1 of 2 did not end within 200 ms; the suppressed exceptions show"
                                + " their stacks.");
        assertThat(((RanksStuckException) thrown).ranks()).containsExactly(1);
        assertThat(thrown.getSuppressed()).hasSize(1);
        assertThat(thrown.getSuppressed()[0]).hasMessage("rank-1 is here");
        assertThat(Arrays.toString(thrown.getSuppressed()[0].getStackTrace()))
                .contains("CountDownLatch.await", getClass().getName());
    }

    @Test
    void noRankIsLeftAfterAFailure() {
        assertThatThrownBy(
                        () ->
                                InProcessGroup.run(
                                        2,
                                        c -> {
                                            throw new IllegalStateException("both");
                                        },
                                        LONG))
                .hasMessage("both");
        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(t -> t.getName().matches("yolo-ddp-world-\\d"));
    }

    @Test
    void faultsHappenAtTheChosenCall() {
        assertThatThrownBy(() -> faulty(injector -> injector.failAt(3)))
                .isInstanceOf(InjectedFaultException.class)
                .hasMessage("Injected fault: failure at call 3, tag 'round 3'");
        assertThatThrownBy(() -> faulty(injector -> injector.leaveAt(2)))
                .isInstanceOf(InjectedFaultException.class)
                .hasMessage("Injected fault: left the group at call 2, tag 'round 2'");
    }

    @Test
    void corruptionHitsOneRankOnly() throws Exception {
        List<Float> results = faulty(injector -> injector.corruptAt(4));
        assertThat(results.get(0)).isEqualTo(32f);
        assertThat(results.get(1)).isEqualTo(Math.nextUp(32f));
        assertThat(faulty(injector -> injector)).containsExactly(32f, 32f);
        assertThat(faulty(injector -> injector.corruptAt(99))).containsExactly(32f, 32f);
    }

    @Test
    void delayHoldsASubmissionUp() throws Exception {
        long start = System.nanoTime();
        faulty(injector -> injector.delayAt(1, Duration.ofMillis(60)));
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(60_000_000L);
    }

    private interface Plan {
        FaultInjector apply(FaultInjector injector);
    }

    /** Doubles a number five times on two ranks, with the plan's faults on rank 1. */
    private static List<Float> faulty(Plan plan) throws Exception {
        return InProcessGroup.run(
                2,
                plain -> {
                    Communicator c =
                            plain.rank() == 1 ? plan.apply(FaultInjector.around(plain)) : plain;
                    try (CommBuffer b = c.allocate(DType.F32, 1)) {
                        b.bytes().putFloat(0, 1f);
                        for (int i = 0; i < 5; i++) {
                            c.allReduce(b, ReduceOp.SUM, ComputeStream.HOST, "round " + i)
                                    .await(LONG);
                        }
                        return b.bytes().getFloat(0);
                    }
                },
                LONG);
    }
}
