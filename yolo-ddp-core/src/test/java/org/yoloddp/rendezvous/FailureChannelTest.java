package org.yoloddp.rendezvous;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.RemoteCauseException;

@Timeout(30)
class FailureChannelTest {

    private static final Duration LONG = Duration.ofSeconds(10);
    private static final Heartbeats QUICK =
            Heartbeats.defaults()
                    .withInterval(Duration.ofMillis(20))
                    .withStallTimeout(Duration.ofMillis(300));
    private static final Fingerprint BARRIER =
            new Fingerprint("world", 4, Operation.BARRIER, null, 0, null, -1, List.of(), "next");

    private final JobToken token = JobToken.random();
    private final StoreOptions options =
            StoreOptions.defaults().withGeneration(0).withHeartbeats(QUICK);
    private final StoreServer server = StoreServer.start(TcpStoreTest.loopback(0), token, options);
    private final BlockingQueue<CommunicationException> atServer = new LinkedBlockingQueue<>();
    private final List<FailureChannel> ranks = new ArrayList<>();
    private final List<BlockingQueue<CommunicationException>> heard = new ArrayList<>();

    private void connect(int size) {
        server.onFailure((generation, failure) -> atServer.add(failure));
        for (int rank = 0; rank < size; rank++) {
            connect(options.withRank(rank));
        }
    }

    private FailureChannel connect(StoreOptions who) {
        FailureChannel channel = FailureChannel.connect(server.address(), token, who, LONG);
        BlockingQueue<CommunicationException> queue = new LinkedBlockingQueue<>();
        channel.onFailure(queue::add);
        ranks.add(channel);
        heard.add(queue);
        return channel;
    }

    @AfterEach
    void close() {
        ranks.forEach(FailureChannel::close);
        server.close();
    }

    private static String failed(int rank, String where, String cause) {
        return "Rank "
                + rank
                + " (process "
                + ProcessHandle.current().pid()
                + " on "
                + Hello.of("", "", 0, 0).host()
                + ") failed"
                + where
                + " in group 'world': "
                + cause
                + ". The other ranks cannot go on; mend what stopped rank "
                + rank
                + ".";
    }

    /** Every rank, and the launcher, is told the same, and once. */
    private List<CommunicationException> decisions(int... of) throws InterruptedException {
        List<CommunicationException> all = new ArrayList<>();
        for (int rank : of) {
            CommunicationException failure = heard.get(rank).poll(10, TimeUnit.SECONDS);
            assertThat(failure).as("decision at rank %d", rank).isNotNull();
            assertThat(ranks.get(rank).failure()).contains(failure);
            all.add(failure);
        }
        CommunicationException reported = atServer.poll(10, TimeUnit.SECONDS);
        assertThat(reported).isNotNull();
        assertThat(all).allSatisfy(f -> assertThat(f).hasMessage(reported.getMessage()));
        assertThat(all).allSatisfy(f -> assertThat(f).hasSameClassAs(reported));
        return all;
    }

    @Test
    void rankThatThrowsIsNamedOnAll() throws Exception {
        connect(3);
        ranks.get(1).progress("train", 7);
        ranks.get(1).finished(BARRIER);
        ranks.get(1).report(new IllegalStateException("bad batch"));
        assertThat(decisions(0, 1, 2))
                .allSatisfy(
                        f -> {
                            assertThat(f)
                                    .hasMessage(
                                            failed(
                                                    1,
                                                    " at step 7, in phase 'train', after"
                                                            + " barrier(tag 'next')",
                                                    "java.lang.IllegalStateException: bad batch"));
                            RankFailedException e = (RankFailedException) f;
                            assertThat(e.rank()).isEqualTo(1);
                            assertThat(e.step()).isEqualTo(7);
                            assertThat(e.causeText())
                                    .isEqualTo("java.lang.IllegalStateException: bad batch");
                            assertThat(e.getCause()).isInstanceOf(RemoteCauseException.class);
                            assertThat(e.getCause()).hasMessage("bad batch");
                            assertThat(e.getCause().getStackTrace()[0].getMethodName())
                                    .isEqualTo("rankThatThrowsIsNamedOnAll");
                        });
    }

    /** The connection of a process that dies ends without a word. */
    @Test
    void rankThatDiesIsNamedAtOnce() throws Exception {
        connect(2);
        ranks.get(1).progress("train", 3);
        StoreOptions dying = options.withRank(2);
        ClientLink link =
                ClientLink.connect(
                        server.address(), token, Hello.of("failure", "default", 0, 2), dying, LONG);
        link.send(
                new Beat("train", 9, 4, "barrier(tag 'next')", true, 0, 1000, 1000, 5000)
                        .write(new MessageWriter().int8(FailureChannel.BEAT)));
        link.closeAfter(
                new Beat("train", 9, 4, "barrier(tag 'next')", true, 0, 1000, 1000, 5000)
                        .write(new MessageWriter().int8(FailureChannel.BEAT)),
                LONG);
        assertThat(decisions(0, 1))
                .allSatisfy(
                        f ->
                                assertThat(f)
                                        .hasMessage(
                                                failed(
                                                        2,
                                                        " at step 9, in phase 'train', during"
                                                                + " barrier(tag 'next')",
                                                        "it vanished without a word")));
    }

    /** Rank 0 only saw rank 2's socket break; what rank 2 says itself is the root cause. */
    @Test
    void consequenceGivesWayToTheRootCause() throws Exception {
        connect(3);
        ranks.get(0)
                .report(
                        RankFailedException.of(
                                "world", 2, "h", 1, -1, "during x", new Exception("reset")));
        ranks.get(2).report(new OutOfMemoryError("Java heap space"));
        assertThat(decisions(0, 1, 2).get(1))
                .hasMessage(
                        failed(
                                2,
                                ", before its first collective",
                                "java.lang.OutOfMemoryError: Java heap space"));
    }

    @Test
    void consequenceIsBelievedIfNothingBetterComes() throws Exception {
        connect(2);
        RankFailedException cut =
                RankFailedException.of(
                        "world", 1, "h", 1, 5, "during x", new Exception("no route to host"));
        CommunicationException settled = ranks.get(0).settle(cut, LONG);
        assertThat(settled).hasMessage(cut.getMessage());
        decisions(0, 1);
    }

    @Test
    void firstRootCauseStays() throws Exception {
        connect(2);
        ranks.get(0).report(new IllegalStateException("first"));
        decisions(0, 1);
        ranks.get(1).report(new IllegalStateException("second"));
        CommunicationException late = connect(options.withRank(2)).settle(new Exception("x"), LONG);
        assertThat(late).hasMessageContaining("first");
        assertThat(heard.get(0).poll()).isNull();
        assertThat(atServer.poll()).isNull();
    }

    @Test
    void mismatchAndTimeoutKeepTheirFields() throws Exception {
        connect(2);
        Fingerprint sum =
                new Fingerprint(
                        "world",
                        5,
                        Operation.ALL_REDUCE,
                        DType.F32,
                        10,
                        ReduceOp.SUM,
                        -1,
                        List.of(3L, 7L),
                        "b");
        CollectiveMismatchException mismatch =
                CollectiveMismatchException.of("world", 5, Map.of(0, sum, 1, BARRIER), List.of());
        ranks.get(0).report(new IllegalStateException("wrapped", mismatch));
        assertThat(decisions(0, 1))
                .allSatisfy(
                        f -> {
                            assertThat(f).hasMessage(mismatch.getMessage());
                            assertThat(((CollectiveMismatchException) f).calls())
                                    .isEqualTo(mismatch.calls());
                        });
        CollectiveTimeoutException timeout =
                CollectiveTimeoutException.of(
                        BARRIER, Duration.ofSeconds(3), List.of(1), List.of(0));
        MessageWriter out = new MessageWriter();
        FailureCodec.write(out, timeout);
        CollectiveTimeoutException read =
                (CollectiveTimeoutException) FailureCodec.read(new MessageReader(out.toBytes()));
        assertThat(read).hasMessage(timeout.getMessage());
        assertThat(read.missing()).containsExactly(1);
    }

    @Test
    void rankThatLeavesOrderlyIsNoFailure() throws Exception {
        connect(3);
        assertThat(server.awaitRanksLeft(Duration.ofMillis(30))).isFalse();
        ranks.get(2).close();
        ranks.get(1).report(new IllegalStateException("x"));
        decisions(0, 1);
        ranks.get(0).close();
        ranks.get(1).close();
        assertThat(server.awaitRanksLeft(LONG)).isTrue();
        assertThat(heard.get(2)).isEmpty();
    }

    @Test
    void rankThatEndedInGoodOrderBeforeItCameFailsWhoWaitsForIt() throws Exception {
        connect(1);
        server.rankLeft(0, 1, "far", 77, "it was ended by SIGTERM (exit code 143)");
        assertThat(decisions(0).get(0))
                .hasMessageStartingWith("Rank 1 (process 77 on far) failed")
                .hasMessageContaining(": it was ended by SIGTERM (exit code 143). The other");
    }

    @Test
    void rankThatComesAfterAnotherEndedInGoodOrderDoesNotWaitForIt() throws Exception {
        server.onFailure((generation, failure) -> atServer.add(failure));
        server.rankLeft(0, 1, "far", 77, "it was ended by SIGTERM (exit code 143)");
        assertThat(server.awaitRanksLeft(LONG)).isTrue();
        assertThat(atServer).as("nobody waits").isEmpty();
        connect(options.withRank(0));
        assertThat(decisions(0).get(0)).hasMessageStartingWith("Rank 1 (process 77 on far)");
    }

    /** They meet, rank 1 has done its work and ends, and rank 0 still saves. */
    @Test
    void rankThatEndedInGoodOrderAfterAllHadMetFailsNobody() throws Exception {
        connect(3);
        ranks.get(1).close();
        ranks.get(2).progress("train", 3);
        server.rankLeft(0, 1, "here", 77, "it was ended by SIGTERM (exit code 143)");
        assertThat(heard.get(0).poll(500, TimeUnit.MILLISECONDS)).isNull();
        assertThat(atServer).isEmpty();
        // The next time that they meet, it is missing.
        ranks.get(2).close();
        connect(options.withRank(2));
        assertThat(heard.get(3).poll(10, TimeUnit.SECONDS))
                .hasMessageStartingWith("Rank 1 (process 77 on here)");
    }

    /** Rank 2 ends before it has connected: only a launcher can know. */
    @Test
    void launcherTellsOfARankThatNeverConnected() throws Exception {
        connect(2);
        server.rankFailed(0, 2, "far", 77, "it was ended by SIGTERM (exit code 143)");
        // Who is stopped for that reason afterwards has not caused it.
        ClientLink other =
                ClientLink.connect(
                        server.address(),
                        token,
                        Hello.of("failure", "default", 0, 3),
                        options.withRank(3),
                        LONG);
        other.closeAfter(new MessageWriter().int8(FailureChannel.BEAT), LONG);
        String message =
                "Rank 2 (process 77 on far) failed, before its first collective in group 'world':"
                        + " it was ended by SIGTERM (exit code 143). The other ranks cannot go on;"
                        + " mend what stopped rank 2.";
        assertThat(decisions(0, 1)).allSatisfy(f -> assertThat(f).hasMessage(message));
        connect(options.withRank(4));
        assertThat(heard.get(2).poll(10, TimeUnit.SECONDS))
                .as("told to one who connects later")
                .hasMessage(message);
    }

    @Test
    void whatTheRankItselfSaysIsBetterThanWhatTheLauncherSaw() throws Exception {
        connect(2);
        server.rankFailed(0, 1, "here", 77, "it ended with exit code 1");
        ranks.get(1).report(new IllegalStateException("bad batch"));
        assertThat(decisions(0, 1).get(0))
                .hasMessage(
                        failed(
                                1,
                                ", before its first collective",
                                "java.lang.IllegalStateException: bad batch"));
    }

    @Test
    void whatAnotherRankSaysIsNoBetterThanWhatTheLauncherSaw() throws Exception {
        connect(2);
        server.rankFailed(0, 1, "here", 77, "it ended with exit code 1");
        ranks.get(0).report(new IllegalStateException("it came second"));
        assertThat(decisions(0, 1).get(0))
                .hasMessageStartingWith("Rank 1 (process 77 on here) failed")
                .hasMessageContaining(": it ended with exit code 1. The other ranks");
    }

    @Test
    void launchersWordCountsAfterAMomentIfTheRankSaysNothing() throws Exception {
        connect(2);
        ranks.get(1).progress("train", 3);
        server.rankFailed(0, 1, "here", 77, "it ended with exit code 1");
        assertThat(decisions(0, 1).get(0))
                .hasMessageStartingWith("Rank 1 (process 77 on here) failed")
                .hasMessageContaining(": it ended with exit code 1. The other ranks");
    }

    @Test
    void launchersWordOnAGenerationThatIsOverHasNoEffect() throws Exception {
        server.beginGeneration(1);
        server.onFailure((generation, failure) -> atServer.add(failure));
        connect(options.withGeneration(1).withRank(0));
        server.rankFailed(0, 1, "here", 77, "it ended with exit code 1");
        server.rankFailed(1, 2, "here", 78, "it ended with exit code 2");
        assertThat(decisions(0).get(0)).hasMessageStartingWith("Rank 2 (process 78 on here)");
    }

    /** Rank 1 left its collective early; whoever notices is no root cause, nor rank 1's word. */
    @Test
    void leavingAGroupIsAConsequence() throws Exception {
        connect(2);
        ranks.get(1)
                .report(
                        RankFailedException.of(
                                "world",
                                1,
                                "h",
                                1,
                                5,
                                "x",
                                CommunicatorClosedException.of("world", 1)));
        ranks.get(0).report(new IllegalStateException("the root"));
        assertThat(decisions(0, 1).get(0)).hasMessageContaining("the root");
    }

    @Test
    void stalledRankIsNamedWithItsStacks() throws Exception {
        connect(2);
        CountDownLatch end = new CountDownLatch(1);
        Thread stuck =
                new Thread(
                        () -> {
                            ranks.get(1).progress("train", 12);
                            stuckInUserCode(end);
                        },
                        "trainer-1");
        stuck.start();
        ranks.get(0).progress("train", 12);
        ranks.get(0).waiting(BARRIER);
        List<CommunicationException> failures = decisions(0, 1);
        end.countDown();
        stuck.join(10_000);
        assertThat(failures)
                .allSatisfy(
                        f -> {
                            RankFailedException e = (RankFailedException) f;
                            assertThat(e)
                                    .hasMessage(
                                            failed(
                                                    1,
                                                    " at step 12, in phase 'train', before its"
                                                            + " first collective",
                                                    "no progress for more than 300 ms while rank 0"
                                                            + " waits for it"));
                            assertThat(e.threadStacks())
                                    .singleElement()
                                    .asString()
                                    .startsWith("\"trainer-1\" ")
                                    .contains("FailureChannelTest.stuckInUserCode(");
                        });
    }

    private static void stuckInUserCode(CountDownLatch end) {
        try {
            end.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Without somebody who waits, a long computation is none of our business. */
    @Test
    void slowRankIsNoFailureWhileNobodyWaits() throws Exception {
        connect(2);
        ranks.get(0).progress("train", 1);
        ranks.get(1).progress("train", 1);
        assertThat(heard.get(0).poll(600, TimeUnit.MILLISECONDS)).isNull();
    }

    @Test
    void lostServerEndsTheRanks() throws Exception {
        connect(2);
        server.close();
        for (int rank = 0; rank < 2; rank++) {
            CommunicationException failure = heard.get(rank).poll(10, TimeUnit.SECONDS);
            assertThat(failure)
                    .isInstanceOf(StoreLostException.class)
                    .hasMessage(
                            "The ranks of group 'world' have lost the store of the job, which "
                                    + Hello.of("", "", 0, -1).describe()
                                    + " served: the other side closed it. Without it the job cannot"
                                    + " go on; see what ended that process.");
        }
    }

    /** Where rank 0's process serves the store, its death is rank 0's. */
    @Test
    void lostServerIsARankIfARankServed() throws Exception {
        try (StoreServer served =
                        StoreServer.start(TcpStoreTest.loopback(0), token, options.withRank(0));
                FailureChannel zero =
                        FailureChannel.connect(served.address(), token, options.withRank(0), LONG);
                FailureChannel one =
                        FailureChannel.connect(
                                served.address(), token, options.withRank(1), LONG)) {
            BlockingQueue<CommunicationException> told = new LinkedBlockingQueue<>();
            one.onFailure(told::add);
            zero.progress("train", 4);
            // The step reaches the others by the server's heartbeats.
            assertThat(told.poll(300, TimeUnit.MILLISECONDS)).isNull();
            served.close();
            assertThat(told.poll(10, TimeUnit.SECONDS))
                    .hasMessage(
                            failed(
                                    0,
                                    " at step 4, in phase 'train', before its first collective",
                                    "the store that it serves is gone (the other side closed"
                                            + " it)"));
        }
    }

    /** A stopped process keeps its connection and says nothing. */
    @Test
    void silentRankIsNamed() throws Exception {
        StoreServer impatient =
                StoreServer.start(
                        TcpStoreTest.loopback(0),
                        token,
                        options.withHeartbeats(QUICK.withSilence(Duration.ofMillis(300))));
        impatient.onFailure((generation, failure) -> atServer.add(failure));
        try (impatient;
                ClientLink silent =
                        ClientLink.connect(
                                impatient.address(),
                                token,
                                Hello.of("failure", "default", 0, 1),
                                options,
                                LONG)) {
            assertThat(atServer.poll(10, TimeUnit.SECONDS))
                    .hasMessage(
                            failed(
                                    1,
                                    ", before its first collective",
                                    "no heartbeat for more than 300 ms: it is stopped, starved or"
                                            + " cut off"));
        }
    }

    @Test
    void formerGenerationIsForgotten() throws Exception {
        connect(2);
        ranks.get(0).report(new IllegalStateException("of generation 0"));
        decisions(0, 1);
        server.beginGeneration(1);
        FailureChannel restarted = connect(options.withGeneration(1).withRank(0));
        assertThat(restarted.failure()).isEmpty();
        ranks.get(1).report(new IllegalStateException("late"));
        assertThat(heard.get(2).poll(300, TimeUnit.MILLISECONDS)).isNull();
        assertThat(atServer).isEmpty();
    }
}
