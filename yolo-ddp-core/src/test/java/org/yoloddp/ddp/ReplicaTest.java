package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.ForeignMemory;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
class ReplicaTest {

    private static final Reduction EVERY_STEP = Reduction.defaults().withVerifyEvery(1);

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    @Test
    void startsFromTheParametersAndBuffersOfRankZero() throws Exception {
        List<float[]> states =
                Ranks.run(
                        3,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                StateDict state = state(MiniNet.withBatchNorm(), manager, c.rank());
                                fill(state.buffers(), c.rank() + 1);
                                try (Replica replica = replica(c, state, manager)) {
                                    return flat(state);
                                }
                            }
                        });

        assertThat(states.get(1)).isEqualTo(states.get(0));
        assertThat(states.get(2)).isEqualTo(states.get(0));
        assertThat(states.get(0)).contains(1f).doesNotContain(2f, 3f);
    }

    @Test
    void unequalModelsAreRefusedOnEveryRank() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        3,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                Block block =
                                        Linear.builder().setUnits(c.rank() == 1 ? 5 : 4).build();
                                block.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
                                return replica(c, StateDict.of(block), manager);
                            }
                        });

        assertThat(outcomes)
                .allSatisfy(
                        outcome ->
                                assertThat(outcome.failure())
                                        .isInstanceOf(ReplicaMismatchException.class)
                                        .hasMessage(
                                                "the models of the ranks differ at 'weight':"
                                                        + " parameter float32 (4, 2) 'weight' on ranks"
                                                        + " 0, 2, parameter float32 (5, 2) 'weight' on"
                                                        + " rank 1; build the same block, with the same"
                                                        + " layout and frozen parameters, on every"
                                                        + " rank"));
    }

    @Test
    void aParameterFrozenOnOneRankIsRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                Block block = MiniNet.initialized(MiniNet.plain(), manager, 1);
                                if (c.rank() == 1) {
                                    block.getParameters().valueAt(2).freeze(true);
                                }
                                return replica(c, StateDict.of(block), manager);
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(ReplicaMismatchException.class)
                                        .hasMessageContaining(
                                                "frozen parameter float32 (8, 6, 3, 3)"));
    }

    @Test
    void aLayoutThatDiffersIsRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                StateDict state = state(MiniNet.plain(), manager, 1);
                                if (c.rank() == 1) {
                                    Layouts.toChannelsLast(state.entries().get(0).array());
                                }
                                return replica(c, state, manager);
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(ReplicaMismatchException.class)
                                        .hasMessageContaining("(6, 3, 3, 3) channels_last '"));
    }

    @Test
    void parametersThatShareMemoryButAreNotOneArrayAreRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        1,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                NDArray one = manager.ones(new Shape(3));
                                NDArray view = one.reshape(3, 1);
                                StateDict state =
                                        StateDict.of(
                                                List.of(
                                                        parameter("a", trainable(one)),
                                                        parameter("b", trainable(view))));
                                return replica(c, state, manager);
                            }
                        });

        assertThat(outcomes.get(0).failure())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "the parameters 'a' and 'b' are two arrays over one memory, so each would"
                                + " have a gradient of its own; share the array itself, or none");
    }

    @Test
    void gradientsOfEachStepLieInTheBuckets() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (MiniLoop loop =
                            new MiniLoop(c, MiniNet.plain(), 1, Reduction.defaults())) {
                        loop.step(0, 2, StepFlags.NONE);
                        // Where the order of the first step has put them.
                        loop.step(1, 2, StepFlags.NONE);
                        List<Long> before = gradientAddresses(loop);
                        loop.step(2, 2, StepFlags.NONE);

                        assertThat(gradientAddresses(loop)).isEqualTo(before);
                        assertThat(before).allMatch(address -> address % 64 == 0);
                        StateDict state = loop.state();
                        assertThat(Layouts.strides(gradients(state).get(2).array()))
                                .isEqualTo(Layouts.strides(state.trainable().get(2).array()))
                                .isEqualTo(new long[] {54, 1, 18, 6});
                        return null;
                    }
                });
    }

    private static List<Long> gradientAddresses(MiniLoop loop) {
        return gradients(loop.state()).stream().map(e -> ForeignMemory.address(e.array())).toList();
    }

    @Test
    void aBlockWithNothingToTrainIsRefused() throws Exception {
        assertThat(failureOf(new SequentialBlock()))
                .isInstanceOf(NoTrainableParameterException.class)
                .hasMessage("the block has no parameters; is it initialised?");
        Block frozen = MiniNet.plain();
        frozen.freezeParameters(true);
        assertThat(failureOf(frozen))
                .isInstanceOf(NoTrainableParameterException.class)
                .hasMessage(
                        "all 6 parameters of the block are frozen; leave at least one trainable");
    }

    private static Throwable failureOf(Block block) throws Exception {
        return Ranks.outcomes(
                        1,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                StateDict state = state(block, manager, 1);
                                return replica(c, state, manager);
                            }
                        })
                .get(0)
                .failure();
    }

    @Test
    void gradientsAreAveragedAndKeptInTheParametersLayout() throws Exception {
        List<List<float[]>> gradients =
                Ranks.run(
                        2,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                StateDict state = state(MiniNet.plain(), manager, 1);
                                try (Replica replica = replica(c, state, manager)) {
                                    fill(gradients(state), c.rank() == 0 ? 1 : 4);
                                    replica.reduceGradients(StepFlags.NONE);
                                    List<float[]> reduced = values(gradients(state));
                                    replica.zeroGradients();
                                    assertThat(gradients(state)).allMatch(e -> e.array() == null);
                                    // A rank that has run no backward gives zeros.
                                    replica.reduceGradients(StepFlags.NONE);
                                    assertThat(values(gradients(state)))
                                            .allSatisfy(g -> assertThat(g).containsOnly(0));
                                    return reduced;
                                }
                            }
                        });

        assertThat(gradients.get(0)).hasSize(6).allSatisfy(g -> assertThat(g).containsOnly(2.5f));
        assertThat(gradients.get(1)).hasSize(6).allSatisfy(g -> assertThat(g).containsOnly(2.5f));
    }

    @Test
    void parametersOfSeveralTypesAreReducedInBucketsOfTheirOwn() throws Exception {
        List<double[]> gradients =
                Ranks.run(
                        2,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                NDArray single = trainable(manager.ones(new Shape(3)));
                                NDArray twice =
                                        trainable(manager.ones(new Shape(2), DataType.FLOAT64));
                                StateDict state =
                                        StateDict.of(
                                                List.of(
                                                        parameter("single", single),
                                                        parameter("double", twice)));
                                try (Replica replica = replica(c, state, manager)) {
                                    fill(gradients(state), c.rank());
                                    StepFlags flags =
                                            replica.reduceGradients(
                                                    new StepFlags(false, c.rank() == 1, false));
                                    assertThat(flags).isEqualTo(new StepFlags(false, true, false));
                                    return new double[] {
                                        GradientViews.gradient(single).getFloat(2),
                                        GradientViews.gradient(twice).getDouble(1)
                                    };
                                }
                            }
                        });

        assertThat(gradients).allSatisfy(g -> assertThat(g).containsExactly(.5, .5));
    }

    @Test
    void aFlagOfAnyRankIsSeenByAllAtTheSameStepAndOnlyThen() throws Exception {
        // By step and rank: who asks for what.
        List<IntFunction<StepFlags>> requests =
                List.of(
                        rank -> StepFlags.NONE,
                        rank -> new StepFlags(rank == 2, false, false),
                        rank -> StepFlags.NONE,
                        rank -> new StepFlags(false, rank == 0, rank == 1),
                        rank -> new StepFlags(true, true, true));
        List<List<StepFlags>> agreed =
                Ranks.run(
                        3,
                        c -> {
                            List<StepFlags> seen = new ArrayList<>();
                            try (MiniLoop loop =
                                    new MiniLoop(c, MiniNet.plain(), 1, Reduction.defaults())) {
                                for (int step = 0; step < requests.size(); step++) {
                                    seen.add(
                                            loop.step(step, 1, requests.get(step).apply(c.rank())));
                                }
                            }
                            return seen;
                        });

        assertThat(agreed)
                .allSatisfy(
                        seen ->
                                assertThat(seen)
                                        .containsExactly(
                                                StepFlags.NONE,
                                                new StepFlags(true, false, false),
                                                StepFlags.NONE,
                                                new StepFlags(false, true, true),
                                                new StepFlags(true, true, true)));
    }

    @Test
    void buffersAreThoseOfRankZeroBeforeEachForward() throws Exception {
        List<List<float[]>> buffers =
                Ranks.run(
                        2,
                        c -> {
                            try (MiniLoop loop =
                                    new MiniLoop(
                                            c, MiniNet.withBatchNorm(), 1, Reduction.defaults())) {
                                loop.step(0, 4, StepFlags.NONE);
                                float[] own = loop.buffers();
                                loop.replica().broadcastBuffers();
                                return List.of(own, loop.buffers());
                            }
                        });

        assertThat(buffers.get(1).get(0)).isNotEqualTo(buffers.get(0).get(0));
        assertThat(buffers.get(1).get(1))
                .isEqualTo(buffers.get(0).get(1))
                .isEqualTo(buffers.get(0).get(0));
    }

    @Test
    void buffersOfAnyTypeAndShapeAreBroadcast() throws Exception {
        List<List<Number>> seen =
                Ranks.run(
                        2,
                        c -> {
                            try (NDManager manager = NDManager.newBaseManager()) {
                                NDArray weight = trainable(manager.ones(new Shape(3)));
                                NDArray count = manager.create(10L + c.rank());
                                NDArray mean = manager.full(new Shape(2, 3), c.rank() + .5f);
                                NDArray mask = manager.create(new boolean[] {c.rank() == 0});
                                StateDict state =
                                        StateDict.of(
                                                List.of(
                                                        parameter("weight", weight),
                                                        buffer("count", count),
                                                        buffer("mean", mean),
                                                        buffer("mask", mask)));
                                try (Replica replica = replica(c, state, manager)) {
                                    return List.of(
                                            count.getLong(),
                                            mean.getFloat(1, 2),
                                            mask.getBoolean(0) ? 1 : 0);
                                }
                            }
                        });

        assertThat(seen).allSatisfy(values -> assertThat(values).containsExactly(10L, .5f, 1));
    }

    @Test
    void hashesAreEqualOnAllRanksAfterTraining() throws Exception {
        List<ReplicaHashes> hashes =
                Ranks.run(
                        3,
                        c -> {
                            try (MiniLoop loop =
                                    new MiniLoop(
                                            c, MiniNet.withBatchNorm(), c.rank(), EVERY_STEP)) {
                                for (long step = 0; step < 3; step++) {
                                    loop.step(step, 2, StepFlags.NONE);
                                }
                                return loop.replica().hashes(3);
                            }
                        });

        assertThat(hashes.get(0).equalOnAllRanks()).isTrue();
        assertThat(hashes.get(0).parametersSha256())
                .hasSize(3)
                .allMatch(hash -> hash.matches("[0-9a-f]{64}"));
        assertThat(hashes.get(1)).isEqualTo(hashes.get(0));
        assertThat(hashes.get(0).buffersSha256().get(0))
                .isNotEqualTo(hashes.get(0).parametersSha256().get(0));
    }

    @Test
    void ranksThatDriftApartAreFoundOnEveryRank() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        3,
                        c -> {
                            try (MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 1, EVERY_STEP)) {
                                loop.step(0, 2, StepFlags.NONE);
                                if (c.rank() == 2) {
                                    nudge(loop.state().entries().get(3).array());
                                }
                                loop.step(1, 2, StepFlags.NONE);
                                return null;
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(ReplicaDivergedException.class)
                                        .hasMessageMatching(
                                                "the models of the ranks have drifted apart: after"
                                                        + " step 2 '\\S+' has other bits on rank 2 than"
                                                        + " on rank 0; look for code that changes"
                                                        + " parameters outside the optimizer, or ranks"
                                                        + " with unequal numbers of intra-op threads"));
        ReplicaDivergedException first = (ReplicaDivergedException) outcomes.get(0).failure();
        assertThat(first.rank()).isEqualTo(2);
        assertThat(first.step()).isEqualTo(2);
    }

    @Test
    void aRankThatThrowsBeforeItReducesFailsAllOthersByName() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        3,
                        c -> {
                            try (MiniLoop loop =
                                    new MiniLoop(c, MiniNet.plain(), 1, Reduction.defaults())) {
                                loop.step(0, 2, StepFlags.NONE);
                                if (c.rank() == 1) {
                                    loop.backward(1, 2);
                                    throw new IllegalStateException("out of ideas");
                                }
                                loop.step(1, 2, StepFlags.NONE);
                                return null;
                            }
                        });

        assertThat(outcomes.get(1).failure()).hasMessage("out of ideas");
        for (int rank : new int[] {0, 2}) {
            assertThat(outcomes.get(rank).failure())
                    .isInstanceOf(RankFailedException.class)
                    .hasRootCauseMessage("out of ideas");
            assertThat(((RankFailedException) outcomes.get(rank).failure()).rank()).isEqualTo(1);
        }
    }

    @Test
    void oneRankExchangesNothing() throws Exception {
        List<StepFlags> flags =
                Ranks.run(
                        1,
                        Tampered::refusing,
                        c -> {
                            try (MiniLoop loop =
                                    new MiniLoop(c, MiniNet.withBatchNorm(), 1, EVERY_STEP)) {
                                loop.replica().hashes(0);
                                StepFlags agreed =
                                        loop.step(0, 2, new StepFlags(false, false, true));
                                assertThat(loop.replica().takeExposedMillis()).isZero();
                                return agreed;
                            }
                        });

        assertThat(flags).containsExactly(new StepFlags(false, false, true));
    }

    @Test
    void waitingIsMeasuredAndHandedOutOnce() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (MiniLoop loop =
                            new MiniLoop(c, MiniNet.plain(), 1, Reduction.defaults())) {
                        loop.step(0, 2, StepFlags.NONE);
                        assertThat(loop.replica().takeExposedMillis()).isPositive();
                        assertThat(loop.replica().takeExposedMillis()).isZero();
                        return null;
                    }
                });
    }

    @Test
    void fiftyReplicasLeaveNoThreadBehind() throws Exception {
        int before = 0;
        for (int round = 0; round < 50; round++) {
            Ranks.run(
                    2,
                    c -> {
                        try (MiniLoop loop =
                                new MiniLoop(c, MiniNet.withBatchNorm(), 1, Reduction.defaults())) {
                            return loop.step(0, 2, StepFlags.NONE);
                        }
                    });
            if (round == 9) {
                before = liveThreads();
            }
        }
        assertThat(liveThreads()).isLessThanOrEqualTo(before);
    }

    private static int liveThreads() throws InterruptedException {
        // Threads of ranks that have handed over their result need a moment to end.
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().startsWith("rank-")) {
                thread.join(5000);
            }
        }
        return Thread.getAllStackTraces().size();
    }

    @Test
    void closingTwiceIsFineAndLeavesParametersUsable() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (NDManager manager = NDManager.newBaseManager()) {
                        StateDict state = state(MiniNet.plain(), manager, 1);
                        Replica replica = replica(c, state, manager);
                        replica.close();
                        replica.close();
                        assertThat(GradientViews.gradient(state.entries().get(0).array())).isNull();
                        assertThat(flat(state)).isNotEmpty();
                        return null;
                    }
                });
    }

    private static Replica replica(Communicator communicator, StateDict state, NDManager manager) {
        return Replica.create(communicator, state, Reduction.defaults(), manager);
    }

    private static StateDict state(Block block, NDManager manager, long seed) {
        return StateDict.of(MiniNet.initialized(block, manager, seed));
    }

    private static NDArray trainable(NDArray array) {
        array.setRequiresGradient(true);
        return array;
    }

    private static StateDict.Entry parameter(String name, NDArray array) {
        return new StateDict.Entry(name, array, false, true);
    }

    private static StateDict.Entry buffer(String name, NDArray array) {
        return new StateDict.Entry(name, array, true, false);
    }

    private static List<StateDict.Entry> gradients(StateDict state) {
        return state.trainable().stream()
                .map(
                        e ->
                                new StateDict.Entry(
                                        e.name(), GradientViews.gradient(e.array()), false, false))
                .toList();
    }

    private static void fill(List<StateDict.Entry> entries, double value) {
        for (StateDict.Entry entry : entries) {
            NDArray array = entry.array();
            try (NDArray ones = array.getManager().ones(array.getShape(), array.getDataType());
                    TensorList target = TensorList.of(List.of(array));
                    TensorList source = TensorList.of(List.of(ones))) {
                target.zero();
                target.add(source, value);
            }
        }
    }

    private static void nudge(NDArray array) {
        try (TensorList list = TensorList.of(List.of(array))) {
            list.scale(1 + 1e-6);
        }
    }

    private static List<float[]> values(List<StateDict.Entry> entries) {
        return entries.stream().map(e -> e.array().toFloatArray()).toList();
    }

    private static float[] flat(StateDict state) {
        List<float[]> arrays = values(state.entries());
        float[] flat = new float[arrays.stream().mapToInt(a -> a.length).sum()];
        int at = 0;
        for (float[] array : arrays) {
            System.arraycopy(array, 0, flat, at, array.length);
            at += array.length;
        }
        return flat;
    }
}
