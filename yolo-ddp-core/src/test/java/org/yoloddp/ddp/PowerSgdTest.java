package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchRuntime;

/** What PowerSGD keeps from step to step. */
@Tag("torch")
class PowerSgdTest {

    private static final PowerSgd AT_ONCE = PowerSgd.defaults().withStartStep(0);
    private static final Map<String, Shape> FIRST =
            new LinkedHashMap<>(Map.of("a", new Shape(16, 20)));
    private static final Map<String, Shape> LAST = new LinkedHashMap<>();

    @BeforeAll
    static void start() {
        TorchRuntime.start();
        LAST.put("b", new Shape(8, 3, 3, 3));
        LAST.put("bias", new Shape(8));
    }

    /** A step of all ranks: what the gradients are multiplied by, and what happens to it. */
    private record Step(long number, double scale, boolean infinite) {
        static Step of(long number) {
            return new Step(number, 1, false);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void aSkippedStepLeavesNothingBehind(int matrixRank) throws Exception {
        PowerSgd options = AT_ONCE.withMatrixRank(matrixRank);
        List<Step> without = List.of(Step.of(0), Step.of(1), Step.of(3), Step.of(4));
        List<Step> with =
                List.of(
                        Step.of(0),
                        Step.of(1),
                        new Step(2, 1, true),
                        new Step(7, 1, true),
                        Step.of(3),
                        Step.of(4));
        List<Step> notSkipped = List.of(Step.of(0), Step.of(1), Step.of(2), Step.of(3), Step.of(4));

        float[] expected = last(options, 2, without);
        assertThat(last(options, 2, with)).isEqualTo(expected);
        assertThat(distance(last(options, 2, notSkipped), expected)).isGreaterThan(.1);
    }

    @Test
    void theFirstStepMayBeSkipped() throws Exception {
        for (PowerSgd options : List.of(AT_ONCE, AT_ONCE.withWarmStart(false))) {
            float[] expected = last(options, 2, List.of(Step.of(1), Step.of(2)));
            assertThat(last(options, 2, List.of(new Step(0, 1, true), Step.of(1), Step.of(2))))
                    .isEqualTo(expected);
        }
    }

    @Test
    void errorsAreFreeOfTheLossScale() throws Exception {
        List<Step> plain = new ArrayList<>();
        List<Step> scaled = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            plain.add(Step.of(i));
            scaled.add(new Step(i, 65536 >> (3 * i), false));
        }

        float[] expected = last(AT_ONCE, 2, plain);
        float[] actual = last(AT_ONCE, 2, scaled);
        for (int i = 0; i < actual.length; i++) {
            // Powers of two: not a bit is lost.
            actual[i] /= (float) scaled.get(4).scale();
        }
        assertThat(actual).isEqualTo(expected);
    }

    /** Over many steps the mean of what is applied comes to the mean of the gradients. */
    @Test
    void errorFeedbackBringsEverythingThroughInTime() throws Exception {
        List<Step> same = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            same.add(Step.of(5));
        }
        double[] missed = new double[2];
        for (PowerSgd options : List.of(AT_ONCE, AT_ONCE.withErrorFeedback(false))) {
            List<float[]> averages = run(options, 2, same).get(0);
            float[] mean = new float[averages.get(0).length];
            for (float[] average : averages) {
                for (int i = 0; i < mean.length; i++) {
                    mean[i] += average[i] / averages.size();
                }
            }
            float[] exact = last(AT_ONCE.withStartStep(9), 2, List.of(Step.of(5)));
            missed[options.errorFeedback() ? 0 : 1] = distance(mean, exact);
        }
        assertThat(missed[0]).isLessThan(.3 * missed[1]);
    }

    @Test
    void aGradientThatWasZeroRecovers() throws Exception {
        List<Step> steps = List.of(new Step(0, 0, false), new Step(0, 0, false), Step.of(1));

        List<float[]> averages = run(AT_ONCE, 2, steps).get(0);
        assertThat(distance(averages.get(1), new float[averages.get(1).length])).isZero();
        assertThat(distance(averages.get(2), new float[averages.get(2).length])).isGreaterThan(1);
        for (float value : averages.get(2)) {
            assertThat(value).isFinite();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void allRanksHoldTheSameBits(int ranks) throws Exception {
        List<List<float[]>> byRank =
                run(AT_ONCE.withMatrixRank(2), ranks, List.of(Step.of(0), Step.of(1), Step.of(2)));
        for (List<float[]> rank : byRank) {
            for (int step = 0; step < rank.size(); step++) {
                assertThat(rank.get(step)).isEqualTo(byRank.get(0).get(step));
            }
        }
    }

    @Test
    void infinityReachesAllRanks() throws Exception {
        for (List<float[]> rank : run(AT_ONCE, 2, List.of(Step.of(0), new Step(1, 1, true)))) {
            assertThat(finite(rank.get(0))).isTrue();
            assertThat(finite(rank.get(1))).isFalse();
        }
    }

    @Test
    void sendsALowRankOnly() throws Exception {
        float[] average = last(AT_ONCE, 2, List.of(Step.of(0)));
        // All rows of a matrix of rank 1 are multiples of one of them.
        double first = average[0];
        for (int row = 1; row < 16; row++) {
            double ratio = average[row * 20] / first;
            for (int column = 0; column < 20; column++) {
                assertThat(average[row * 20 + column])
                        .isCloseTo((float) (ratio * average[column]), within(1e-5f));
            }
        }
    }

    @Test
    void randomMatricesDependOnEverythingTheyShould() {
        RandomMatrices random = RandomMatrices.seeded(1);
        Set<Float> drawn = new HashSet<>();
        for (String parameter : List.of("a", "b")) {
            for (long step = 0; step < 3; step++) {
                for (int index = 0; index < 3; index++) {
                    drawn.add(first(random, parameter, step, index));
                }
            }
        }
        drawn.add(first(RandomMatrices.seeded(2), "a", 0, 0));
        assertThat(drawn).hasSize(19);
        assertThat(first(RandomMatrices.seeded(1), "b", 2, 1)).isEqualTo(first(random, "b", 2, 1));
    }

    private static float first(RandomMatrices random, String parameter, long step, int index) {
        float[] one = new float[1];
        random.draw(parameter, step, index, one);
        return one[0];
    }

    @Test
    void approximatesOnlyWhatGains() {
        assertThat(AT_ONCE.rankFor(16, 20)).isEqualTo(1);
        assertThat(AT_ONCE.rankFor(1, 1000)).isZero();
        assertThat(AT_ONCE.rankFor(4, 4)).isZero();
        assertThat(AT_ONCE.withMinCompressionRate(1.9).rankFor(4, 4)).isEqualTo(1);
        assertThat(AT_ONCE.withMatrixRank(8).rankFor(2, 1000)).isZero();
        assertThat(AT_ONCE.withMatrixRank(8).rankFor(64, 512)).isEqualTo(8);
    }

    @Test
    void refusesOptionsThatCannotBe() {
        assertThatThrownBy(() -> AT_ONCE.withMatrixRank(0))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("matrixRank is 0, must be 1 or more");
        assertThatThrownBy(() -> AT_ONCE.withStartStep(-1))
                .hasMessage("startStep is -1, must be 0 or more");
        assertThatThrownBy(() -> AT_ONCE.withMinCompressionRate(0))
                .hasMessage("minCompressionRate is 0.0, must be above 0");
        assertThatThrownBy(() -> AT_ONCE.withOrthogonalizationEpsilon(Double.NaN))
                .hasMessage("orthogonalizationEpsilon is NaN, must be 0 or more");
    }

    private static float[] last(PowerSgd options, int ranks, List<Step> steps) throws Exception {
        List<float[]> averages = run(options, ranks, steps).get(0);
        return averages.get(averages.size() - 1);
    }

    /** By rank and step, what all gradients of two buckets are in the end. */
    private static List<List<float[]>> run(PowerSgd options, int ranks, List<Step> steps)
            throws Exception {
        return Ranks.run(ranks, c -> train(options, c, steps));
    }

    private static List<float[]> train(
            PowerSgd options, Communicator communicator, List<Step> steps) {
        List<float[]> averages = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager()) {
            List<HookBucket> buckets =
                    List.of(
                            HookBucket.of(communicator, manager, 0, FIRST, false),
                            HookBucket.of(communicator, manager, 1, LAST, true));
            try (CommunicationHook hook =
                    CommunicationHooks.powerSgd(options)
                            .create(
                                    communicator,
                                    List.copyOf(buckets.stream().map(HookBucket::bucket).toList()),
                                    manager)) {
                for (Step step : steps) {
                    averages.add(step(communicator, hook, buckets, step));
                    if (step.infinite()) {
                        hook.stepSkipped();
                    }
                }
            }
        }
        return averages;
    }

    private static float[] step(
            Communicator communicator,
            CommunicationHook hook,
            List<HookBucket> buckets,
            Step step) {
        Random random = new Random(step.number() * 10 + communicator.rank());
        for (HookBucket bucket : buckets) {
            for (GradientBucket.Slot slot : bucket.bucket().slots()) {
                float[] gradient = new float[Math.toIntExact(slot.count())];
                for (int i = 0; i < gradient.length; i++) {
                    gradient[i] = (float) (random.nextGaussian() * step.scale());
                }
                if (step.infinite() && communicator.rank() == 1) {
                    gradient[3] = Float.POSITIVE_INFINITY;
                }
                bucket.write(slot.parameter(), gradient);
            }
        }
        if (step.scale() > 0) {
            hook.lossScale(step.scale());
        }
        List<CommunicationHook.Pending> pending = new ArrayList<>();
        buckets.forEach(bucket -> pending.add(hook.start(bucket.bucket())));
        pending.forEach(average -> average.await(communicator.deadline()));
        float[] all = new float[16 * 20 + 8 * 27 + 8];
        int at = 0;
        for (HookBucket bucket : buckets) {
            for (GradientBucket.Slot slot : bucket.bucket().slots()) {
                float[] gradient = bucket.read(slot.parameter());
                System.arraycopy(gradient, 0, all, at, gradient.length);
                at += gradient.length;
            }
        }
        return all;
    }

    private static boolean finite(float[] values) {
        boolean finite = true;
        for (float value : values) {
            finite &= Float.isFinite(value);
        }
        return finite;
    }

    private static double distance(float[] one, float[] other) {
        assertThat(one).hasSameSizeAs(other);
        double sum = 0;
        for (int i = 0; i < one.length; i++) {
            sum += Math.pow(one[i] - other[i], 2);
        }
        return Math.sqrt(sum);
    }
}
