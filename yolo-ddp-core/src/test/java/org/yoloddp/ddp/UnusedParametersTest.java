package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.optim.FusedOptimizer;
import org.yoloddp.optim.GradientClip;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.torch.TorchRuntime;

/** Parameters that not every rank uses, that are shared, frozen, or change their mind. */
@Tag("torch")
@Timeout(60)
class UnusedParametersTest {

    private static final Reduction FINDING = Weights.single().withFindUnused(true);

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    @Test
    void aRankWithoutAGradientEndsAllRanksByName() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        3,
                        c -> {
                            try (Weights weights =
                                    new Weights(c, Weights.single(), "a", "b", "c")) {
                                return c.rank() == 1
                                        ? weights.step(1, "b")
                                        : weights.step(1, "a", "b", "c");
                            }
                        });

        assertThat(outcomes.get(1).failure())
                .isInstanceOf(UnusedParameterException.class)
                .hasMessage(
                        "backward on rank 1 has given no gradient to 'a', 'c', 2 of 3 trainable"
                                + " parameters; freeze what the loss does not depend on, or allow it"
                                + " by Reduction.withFindUnused(true)");
        UnusedParameterException mine = (UnusedParameterException) outcomes.get(1).failure();
        assertThat(mine.parameters()).containsExactly("a", "c");
        assertThat(mine.rank()).isEqualTo(1);
        for (int other : new int[] {0, 2}) {
            assertThat(outcomes.get(other).failure())
                    .isInstanceOf(RankFailedException.class)
                    .hasCause(mine);
        }
    }

    @Test
    void aGradientFromAnEarlierBatchOfTheStepIsEnough() throws Exception {
        List<List<Double>> gradients =
                Ranks.run(
                        2,
                        c -> {
                            List<Double> seen = new ArrayList<>();
                            try (Weights weights =
                                    new Weights(c, Weights.single(), "a", "b", "c")) {
                                for (int step = 0; step < 3; step++) {
                                    weights.replica.zeroGradients();
                                    weights.backward(2, "a", "b");
                                    weights.replica.armReduction();
                                    weights.backward(4, "c", "b");
                                    weights.replica.reduceGradients(StepFlags.NONE);
                                    assertThat(weights.replica.unusedEverywhere()).isEmpty();
                                    seen.addAll(weights.gradients("a", "b", "c"));
                                }
                            }
                            return seen;
                        });

        assertThat(gradients).containsOnly(List.of(2.0, 6.0, 4.0, 2.0, 6.0, 4.0, 2.0, 6.0, 4.0));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whereOnlySomeRanksUseAParameterTheOthersCountAsZero(boolean overlap) throws Exception {
        List<List<Object>> seen =
                Ranks.run(
                        2,
                        c -> {
                            List<Object> steps = new ArrayList<>();
                            Reduction reduction = FINDING.withOverlap(overlap);
                            try (Weights weights =
                                    new Weights(c, reduction, "a", "b", "never", "d")) {
                                for (int step = 0; step < 4; step++) {
                                    // Rank 0 uses b in odd steps only, rank 1 d in even ones only.
                                    List<String> used = new ArrayList<>(List.of("a"));
                                    if (c.rank() == 1 || step % 2 == 1) {
                                        used.add("b");
                                    }
                                    if (c.rank() == 0 || step % 2 == 0) {
                                        used.add("d");
                                    }
                                    weights.step(1, used.toArray(String[]::new));
                                    steps.add(weights.gradients("a", "b", "never", "d"));
                                    steps.add(weights.replica.unusedEverywhere());
                                }
                            }
                            return steps;
                        });

        List<Double> even = List.of(1.0, .5, 0.0, 1.0);
        List<Double> odd = List.of(1.0, 1.0, 0.0, .5);
        Set<String> none = Set.of("never");
        assertThat(seen).containsOnly(List.of(even, none, odd, none, even, none, odd, none));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatNoRankUsesKeepsItsValueAndItsMomentum(int ranks) throws Exception {
        // With one rank it is always found: nobody else is misled.
        Reduction reduction = ranks == 1 ? Weights.single() : FINDING;
        List<List<Double>> values =
                Ranks.run(
                        ranks,
                        c -> {
                            List<Double> seen = new ArrayList<>();
                            try (Weights weights = new Weights(c, reduction, "a", "b");
                                    FusedOptimizer optimizer = optimizer(weights)) {
                                for (int step = 0; step < 3; step++) {
                                    if (step == 1) {
                                        weights.step(1, "a");
                                    } else {
                                        weights.step(1, "a", "b");
                                    }
                                    Set<String> alone = weights.replica.unusedEverywhere();
                                    assertThat(alone).isEqualTo(step == 1 ? Set.of("b") : Set.of());
                                    optimizer.step(new double[] {.5}, Double.NaN, alone);
                                    seen.add((double) weights.get("a").getFloat(0));
                                    seen.add((double) weights.get("b").getFloat(0));
                                }
                            }
                            return seen;
                        });

        // By hand: momentum .5, learning rate .5, gradients of one.
        assertThat(values).containsOnly(List.of(.5, .5, -.25, .5, -1.125, -.25));
    }

    private static FusedOptimizer optimizer(Weights weights) {
        List<String> names = weights.state.parameters().stream().map(e -> e.name()).toList();
        return FusedOptimizer.create(
                OptimizerSpec.sgd().momentum(.5),
                List.of(new ParameterGroup("all", names, 0)),
                weights.state);
    }

    @Test
    void aRankThatHasRunOutOfDataTakesPartWithZeros() throws Exception {
        List<List<Double>> gradients =
                Ranks.run(
                        2,
                        c -> {
                            List<Double> seen = new ArrayList<>();
                            try (Weights weights = new Weights(c, Weights.single(), "a", "b")) {
                                for (int step = 0; step < 3; step++) {
                                    weights.replica.zeroGradients();
                                    weights.replica.armReduction();
                                    if (c.rank() != 0 || step == 1) {
                                        weights.backward(4, "a", "b");
                                    }
                                    weights.replica.reduceGradients(StepFlags.NONE);
                                    seen.addAll(weights.gradients("a", "b"));
                                }
                            }
                            return seen;
                        });

        assertThat(gradients).containsOnly(List.of(2.0, 2.0, 4.0, 4.0, 2.0, 2.0));
    }

    @Test
    void anArrayUnderTwoNamesHasOneGradientAndIsUpdatedOnce() throws Exception {
        List<List<Double>> seen =
                Ranks.run(
                        2,
                        c -> {
                            List<Double> values = new ArrayList<>();
                            try (Weights weights =
                                            new Weights(c, Weights.single(), "a", "b", "tied=a");
                                    GradientClip clip =
                                            GradientClip.create(
                                                    weights.state, Double.POSITIVE_INFINITY);
                                    FusedOptimizer optimizer = optimizer(weights)) {
                                assertThat(weights.state.trainable())
                                        .extracting(e -> e.name())
                                        .containsExactly("a", "b");
                                assertThat(weights.state.entries())
                                        .extracting(e -> e.name())
                                        .containsExactly("a", "b", "tied");
                                for (int step = 0; step < 2; step++) {
                                    // Used three times in the graph, computed once.
                                    weights.step(1 + c.rank(), "a", "tied", "b", "a");
                                    values.add(weights.gradient("tied"));
                                    values.add(clip.apply());
                                    optimizer.step(new double[] {.5}, 0);
                                    values.add((double) weights.get("tied").getFloat(3));
                                }
                            }
                            return values;
                        });

        double norm = (float) Math.sqrt(Weights.SIZE * (4.5 * 4.5 + 1.5 * 1.5));
        for (List<Double> values : seen) {
            assertThat(values.get(0)).isEqualTo(4.5);
            assertThat(values.get(1)).isCloseTo(norm, Offset.offset(1e-4));
            assertThat(values.get(2)).isEqualTo(1 - .5 * 4.5);
            assertThat(values.get(3)).isEqualTo(4.5);
            assertThat(values.get(5)).isEqualTo(1 - 4.5);
        }
    }

    @Test
    void ranksThatShareDifferentlyAreRefused() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights =
                                    new Weights(
                                            c,
                                            Weights.single(),
                                            "a",
                                            c.rank() == 0 ? "b=a" : "b")) {
                                return null;
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(failure)
                                        .isInstanceOf(ReplicaMismatchException.class)
                                        .hasMessageContaining(
                                                "parameter float32 (32), the array of 'a', 'b' on"
                                                        + " rank 0, parameter float32 (32) 'b' on"
                                                        + " rank 1"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aParameterThatIsFrozenMidRunIsAnErrorOfItsOwn(boolean findUnused) throws Exception {
        Reduction reduction = Weights.single().withFindUnused(findUnused);
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, reduction, "a", "b")) {
                                weights.step(1, "a", "b");
                                weights.get("b").setRequiresGradient(false);
                                return weights.step(1, "a", "b");
                            }
                        });

        assertThat(outcomes)
                .extracting(Ranks.Outcome::failure)
                .allSatisfy(
                        failure ->
                                assertThat(cause(failure))
                                        .isInstanceOf(TrainabilityChangedException.class)
                                        .hasMessage(
                                                "'b' was trainable when the replica was made, and is"
                                                        + " frozen now; end this training, and start"
                                                        + " another one to train other parameters"));
    }

    /** Of two ranks that find the same, one may be told by the other. */
    private static Throwable cause(Throwable failure) {
        return failure instanceof RankFailedException ? failure.getCause() : failure;
    }

    @Test
    void aFrozenParameterThatIsMadeTrainableMidRunIsAnError() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        1,
                        c -> {
                            try (MiniLoop loop = frozenLoop(c)) {
                                loop.step(0, 2, StepFlags.NONE);
                                loop.state().entries().get(0).array().setRequiresGradient(true);
                                return loop.step(1, 2, StepFlags.NONE);
                            }
                        });

        assertThat(outcomes.get(0).failure())
                .isInstanceOf(TrainabilityChangedException.class)
                .hasMessageContaining("was frozen when the replica was made, and is trainable now");
    }

    @Test
    void frozenParametersTakeNoPart() throws Exception {
        List<float[]> parameters =
                Ranks.run(
                        2,
                        c -> {
                            try (MiniLoop loop = frozenLoop(c)) {
                                float[] before = loop.parameters();
                                for (int step = 0; step < 3; step++) {
                                    loop.step(step, 2, StepFlags.NONE);
                                }
                                float[] after = loop.parameters();
                                long first = loop.state().entries().get(0).array().size();
                                for (int i = 0; i < first; i++) {
                                    assertThat(after[i]).isEqualTo(before[i]);
                                }
                                assertThat(after).isNotEqualTo(before);
                                return after;
                            }
                        });

        assertThat(parameters.get(1)).isEqualTo(parameters.get(0));
    }

    private static MiniLoop frozenLoop(Communicator communicator) {
        return new MiniLoop(
                communicator,
                MiniNet.plain(),
                1,
                Weights.single(),
                Precision.float32(),
                OptimizerSpec.sgd(),
                block -> block.getParameters().valueAt(0).freeze(true));
    }
}
