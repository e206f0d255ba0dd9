package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.CollectiveMismatchException;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.testing.ScriptedCommunicator;
import org.yoloddp.comm.testing.SlowCommunicator;
import org.yoloddp.torch.GradientHooks;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;

/** What goes wrong while backward runs ends all ranks by a typed error, and nothing crashes. */
@Tag("torch")
@Timeout(60)
class ReducerFailureTest {

    private static final String[] LAYERS = {"a", "b", "c", "d"};

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    /** Lets rank 1's reductions of a tag fail in its second step, that is inside a hook. */
    private static UnaryOperator<Communicator> throwing(String tag, Throwable failure) {
        return c -> {
            AtomicBoolean seen = new AtomicBoolean();
            return Intercepted.allReduce(
                    c,
                    (called, buffer, reduction) -> {
                        if (c.rank() == 1 && called.equals(tag) && seen.getAndSet(true)) {
                            ReducerFailureTest.<RuntimeException>sneakilyThrow(failure);
                        }
                        return reduction.get();
                    });
        };
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <E extends Throwable> void sneakilyThrow(Throwable failure) throws E {
        throw (E) failure;
    }

    private static List<Ranks.Outcome<Object>> outcomes(UnaryOperator<Communicator> tamper)
            throws Exception {
        return Ranks.outcomes(
                2,
                c -> {
                    try (Weights weights = new Weights(tamper.apply(c), Weights.single(), LAYERS)) {
                        for (int step = 0; step < 3; step++) {
                            weights.step(1, LAYERS);
                        }
                        return null;
                    }
                });
    }

    @Test
    void anExceptionInAHookIsThrownOnTheRanksThreadAndIsThePeersCause() throws Exception {
        IllegalStateException mine = new IllegalStateException("as wanted");

        List<Ranks.Outcome<Object>> outcomes = outcomes(throwing("bucket 1", mine));

        assertThat(outcomes.get(1).failure()).isSameAs(mine);
        assertThat(outcomes.get(0).failure())
                .isInstanceOf(RankFailedException.class)
                .hasCause(mine);
        assertThat(((RankFailedException) outcomes.get(0).failure()).rank()).isEqualTo(1);
    }

    @Test
    void anErrorInAHookDoesNotCrossIntoNativeCodeEither() throws Exception {
        StackOverflowError mine = new StackOverflowError("as wanted");

        List<Ranks.Outcome<Object>> outcomes = outcomes(throwing("bucket 0", mine));

        assertThat(outcomes.get(1).failure()).isSameAs(mine);
        assertThat(outcomes.get(0).failure()).hasCause(mine);
    }

    @Test
    void aCommunicationHookThatThrowsEndsAllRanks() throws Exception {
        IllegalStateException mine = new IllegalStateException("as wanted");
        Reduction reduction =
                Weights.single()
                        .withCommunicationHook(
                                (c, buckets, manager) ->
                                        bucket -> {
                                            if (c.rank() == 0 && bucket.index() == 2) {
                                                throw mine;
                                            }
                                            return PlainAverage.of(c).start(bucket);
                                        });
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, reduction, LAYERS)) {
                                weights.step(1, LAYERS);
                                return weights.step(1, LAYERS);
                            }
                        });

        assertThat(outcomes.get(0).failure()).isSameAs(mine);
        assertThat(outcomes.get(1).failure()).hasCause(mine);
    }

    @Test
    void bucketsInAnotherOrderAreRefusedOnAllRanks() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                outcomes(
                        c ->
                                Intercepted.allReduce(
                                        c,
                                        // Two of the same size, the other way round.
                                        (tag, buffer, reduction) ->
                                                c.rank() == 1 && tag.equals("bucket 1")
                                                        ? c.allReduce(
                                                                buffer,
                                                                ReduceOp.AVG,
                                                                ComputeStream.HOST,
                                                                "bucket 2")
                                                        : reduction.get()));

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(CollectiveMismatchException.class)
                                        .hasMessageContaining(
                                                "rank 0 asked for allReduce(AVG, F32 x 32, tag"
                                                        + " 'bucket 1'); rank 1 asked for"
                                                        + " allReduce(AVG, F32 x 32, tag 'bucket"
                                                        + " 2')"));
    }

    @Test
    void ranksThatReduceDifferentlyAreRefusedAtTheStart() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            Reduction reduction = Weights.single().withFindUnused(c.rank() == 1);
                            try (Weights weights = new Weights(c, reduction, LAYERS)) {
                                return null;
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(CollectiveMismatchException.class)
                                        .hasMessageContaining(
                                                "rank 1 asked for barrier(tag 'reduction in buckets"
                                                        + " of 4 and 4 bytes, finding unused"
                                                        + " parameters')"));
    }

    @Test
    void aRankThatLeavesMidBackwardEndsTheOthers() throws Exception {
        IllegalStateException mine = new IllegalStateException("as wanted");
        List<Ranks.Outcome<Object>> outcomes =
                outcomes(
                        c ->
                                Intercepted.allReduce(
                                        c,
                                        (tag, buffer, reduction) -> {
                                            if (c.rank() == 1 && tag.equals("bucket 1")) {
                                                // Backward goes on in memory that c has freed.
                                                c.close();
                                                throw mine;
                                            }
                                            return reduction.get();
                                        }));

        // Rank 0 sees first that rank 1 has left, or why: both are true.
        assertThat(outcomes.get(0).failure()).isInstanceOf(RankFailedException.class);
        assertThat(((RankFailedException) outcomes.get(0).failure()).rank()).isEqualTo(1);
        assertThat(outcomes.get(0).failure().getCause())
                .isInstanceOfAny(CommunicatorClosedException.class, IllegalStateException.class);
        assertThat(outcomes.get(1).failure()).isSameAs(mine);
    }

    @Test
    void aGroupThatIsAbortedMidBackwardEndsAllRanks() throws Exception {
        IllegalStateException mine = new IllegalStateException("cable pulled");
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        3,
                        c -> {
                            Communicator line =
                                    SlowCommunicator.around(
                                            c,
                                            Duration.ofMillis(20),
                                            tag -> tag.startsWith("bucket"));
                            AtomicBoolean second = new AtomicBoolean();
                            try (Weights weights = new Weights(line, Weights.single(), LAYERS);
                                    GradientHooks breaking =
                                            GradientHooks.register(
                                                    List.of(weights.get("b")),
                                                    i -> {
                                                        if (c.rank() == 2 && second.get()) {
                                                            line.abort(mine);
                                                        }
                                                    })) {
                                weights.step(1, LAYERS);
                                second.set(true);
                                return weights.step(1, LAYERS);
                            } finally {
                                line.close();
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(RankFailedException.class)
                                        .hasCause(mine));
    }

    @Test
    void aRankThatRefillsItsBucketsWhileAPeerIsLateGetsTheSameResults() throws Exception {
        List<List<Double>> hurried = refill(c -> c);
        List<List<Double>> late =
                refill(
                        c ->
                                c.rank() == 0
                                        ? c
                                        : Intercepted.allReduce(
                                                c,
                                                (tag, buffer, reduction) -> {
                                                    pass(10_000_000);
                                                    return reduction.get();
                                                }));

        assertThat(late).isEqualTo(hurried);
        assertThat(late.get(0)).isEqualTo(late.get(1)).startsWith(.5, 1.5, 2.5);
    }

    /** Every rank overwrites its buckets as soon as it may: at once after its step. */
    private static List<List<Double>> refill(UnaryOperator<Communicator> tamper) throws Exception {
        return Ranks.run(
                2,
                tamper,
                c -> {
                    try (Weights weights = new Weights(c, Weights.single(), LAYERS)) {
                        List<Double> seen = new ArrayList<>();
                        for (int step = 0; step < 6; step++) {
                            weights.step(step + c.rank(), LAYERS);
                            seen.add(weights.gradient("c"));
                            try (NDArray gradient =
                                            GradientViews.gradient(
                                                    weights.manager, weights.get("c"));
                                    TensorList list = TensorList.of(List.of(gradient))) {
                                list.scale(-1e6);
                            }
                        }
                        return seen;
                    }
                });
    }

    private static void pass(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    @Test
    void aSecondBackwardAfterArmingIsRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, Weights.single(), LAYERS)) {
                                weights.replica.armReduction();
                                weights.backward(1, LAYERS);
                                weights.backward(1, LAYERS);
                                return weights.replica.reduceGradients(StepFlags.NONE);
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .anySatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(StepOrderException.class)
                                        .hasMessage(
                                                "backward has computed a gradient of 'd' twice after"
                                                        + " armReduction, though the first may be on"
                                                        + " its way to other ranks; call"
                                                        + " armReduction before the last backward of"
                                                        + " a step only"))
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOfAny(
                                                StepOrderException.class,
                                                RankFailedException.class));
    }

    @Test
    void zeroingGradientsThatAreOnTheirWayIsRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, Weights.single(), LAYERS)) {
                                weights.replica.armReduction();
                                weights.backward(1, LAYERS);
                                weights.replica.zeroGradients();
                                return null;
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(StepOrderException.class)
                                        .hasMessage(
                                                "zeroGradients was called while 3 buckets were being"
                                                        + " reduced; after armReduction and backward"
                                                        + " call reduceGradients"));
    }

    @Test
    void closingInTheMiddleOfAStepAbortsWhatIsRunning() throws Exception {
        CountDownLatch closed = new CountDownLatch(1);
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, Weights.single(), LAYERS)) {
                                if (c.rank() == 0) {
                                    awaitSeconds(closed);
                                    return weights.step(1, LAYERS);
                                }
                                weights.replica.armReduction();
                                weights.backward(1, LAYERS);
                            }
                            closed.countDown();
                            return null;
                        });

        assertThat(outcomes.get(1).failure()).isNull();
        assertThat(outcomes.get(0).failure())
                .isInstanceOf(RankFailedException.class)
                .hasRootCauseMessage(
                        "the replica of rank 1 was closed while 3 buckets were being reduced");
    }

    @Test
    void aReductionThatDoesNotComeBackLeavesItsMemoryBehind() {
        ScriptedCommunicator stalling = ScriptedCommunicator.of(0, 2).stall("bucket 1");
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray a = manager.ones(new Shape(8));
            NDArray b = manager.ones(new Shape(8));
            a.setRequiresGradient(true);
            b.setRequiresGradient(true);
            StateDict state =
                    StateDict.of(
                            List.of(
                                    new StateDict.Entry("a", a, false, true),
                                    new StateDict.Entry("b", b, false, true)));
            Communicator seen = new Tampered(stalling, op -> op, tag -> false);
            GradientReducer reducer =
                    new GradientReducer(
                            Collectives.of(seen, MemoryDevice.HOST),
                            state,
                            Weights.single(),
                            manager);
            assertThatThrownBy(() -> reducer.reduce(StepFlags.NONE))
                    .isInstanceOf(CollectiveTimeoutException.class);
            NDArray gradient = GradientViews.gradient(manager, a);
            reducer.close();

            // Nothing points at it any more, but it is still there.
            assertThat(GradientViews.gradient(a)).isNull();
            assertThat(reducer.isLeftBehind()).isTrue();
            assertThat(gradient.toFloatArray()).containsOnly(0);
        }
    }

    @Test
    void aReplicaThatIsClosedUnderARunningStepLeavesItsMemoryBehind() throws Exception {
        Ranks.run(
                2,
                c -> {
                    CountDownLatch inBackward = new CountDownLatch(1);
                    CountDownLatch closed = new CountDownLatch(1);
                    Weights weights = new Weights(c, Weights.single(), LAYERS);
                    try (GradientHooks waiting =
                            GradientHooks.register(
                                    List.of(weights.get("b")),
                                    i -> {
                                        inBackward.countDown();
                                        awaitSeconds(closed);
                                    })) {
                        FutureTask<Void> step =
                                new FutureTask<>(
                                        () -> {
                                            weights.replica.zeroGradients();
                                            weights.replica.armReduction();
                                            weights.backward(7, LAYERS);
                                        },
                                        null);
                        new Thread(step, "stuck rank " + c.rank()).start();
                        awaitSeconds(inBackward);
                        weights.replica.close();
                        closed.countDown();
                        step.get(20, TimeUnit.SECONDS);
                        assertThat(weights.gradient("a")).isEqualTo(7);
                    }
                    return null;
                });
    }

    private static void awaitSeconds(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
