package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.Communicator;

/** W ranks with b samples each train as one rank with W · b samples does. */
@Tag("torch")
class DataParallelEqualityTest {

    private static final int STEPS = 20;
    private static final int SAMPLES_PER_RANK = 2;
    private static final double EQUAL = 1e-6;
    private static final double FAR_OFF = 1e-3;

    /** Small, so that there are several buckets. */
    private static final Reduction REDUCTION =
            Reduction.defaults().withBucketBytes(2000).withFirstBucketBytes(500);

    private record Trained(float[] before, float[] after, List<Double> norms) {}

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void ranksTogetherTrainAsOneWithAllTheirSamples(int ranks) throws Exception {
        Trained one = one(ranks);
        List<Trained> together = together(ranks, UnaryOperator.identity());

        for (Trained rank : together) {
            assertThat(rank.after()).isEqualTo(together.get(0).after());
            assertThat(difference(rank.after(), one.after())).isLessThanOrEqualTo(EQUAL);
        }
        // What would make the comparison hold for nothing:
        assertThat(difference(one.before(), one.after())).isGreaterThanOrEqualTo(.05);
        assertThat(one.norms().stream().filter(norm -> norm > MiniLoop.MAX_NORM).count())
                .isGreaterThanOrEqualTo(5);
        assertThat(one.norms()).anyMatch(norm -> norm < MiniLoop.MAX_NORM);
        assertThat(together.get(0).before()).isEqualTo(one.before());
    }

    @Test
    void gradientsOfSeveralBatchesAddUpBeforeTheyAreReduced() throws Exception {
        Trained one = Ranks.run(1, c -> accumulate(c, 2 * SAMPLES_PER_RANK, 2)).get(0);
        List<Trained> together = Ranks.run(2, c -> accumulate(c, SAMPLES_PER_RANK, 2));
        List<Trained> single = Ranks.run(2, c -> accumulate(c, SAMPLES_PER_RANK, 1));

        assertThat(difference(together.get(0).after(), one.after())).isLessThanOrEqualTo(EQUAL);
        assertThat(together.get(1).after()).isEqualTo(together.get(0).after());
        assertThat(difference(single.get(0).after(), one.after())).isGreaterThan(FAR_OFF);
    }

    @Test
    void withoutReductionItIsFarOff() throws Exception {
        assertThat(missBy(Tampered.skipping(tag -> true))).isGreaterThan(FAR_OFF);
    }

    @Test
    void withSumsForAveragesItIsFarOff() throws Exception {
        assertThat(missBy(Tampered::summing)).isGreaterThan(FAR_OFF);
    }

    @Test
    void withOneBucketLeftOutItIsFarOff() throws Exception {
        assertThat(missBy(Tampered.skipping("bucket 1"::equals))).isGreaterThan(FAR_OFF);
    }

    private static double missBy(UnaryOperator<Communicator> tamper) throws Exception {
        int ranks = 2;
        return difference(together(ranks, tamper).get(0).after(), one(ranks).after());
    }

    private static Trained one(int ranks) throws Exception {
        return Ranks.run(1, c -> train(c, ranks * SAMPLES_PER_RANK)).get(0);
    }

    private static List<Trained> together(int ranks, UnaryOperator<Communicator> tamper)
            throws Exception {
        return Ranks.run(ranks, tamper, c -> train(c, SAMPLES_PER_RANK));
    }

    private static Trained accumulate(Communicator communicator, int samples, int batches) {
        try (MiniLoop loop = new MiniLoop(communicator, MiniNet.plain(), 7, REDUCTION)) {
            float[] before = loop.parameters();
            for (long step = 0; step < STEPS; step++) {
                loop.accumulate(step, samples, batches);
            }
            return new Trained(before, loop.parameters(), loop.norms());
        }
    }

    /** Ranks begin with unlike weights; rank 0's are to win. */
    private static Trained train(Communicator communicator, int samplesPerRank) {
        try (MiniLoop loop =
                new MiniLoop(communicator, MiniNet.plain(), 7 + communicator.rank(), REDUCTION)) {
            float[] before = loop.parameters();
            for (long step = 0; step < STEPS; step++) {
                loop.step(step, samplesPerRank, StepFlags.NONE);
            }
            return new Trained(before, loop.parameters(), loop.norms());
        }
    }

    private static double difference(float[] one, float[] other) {
        double largest = 0;
        for (int i = 0; i < one.length; i++) {
            largest = Math.max(largest, Math.abs((double) one[i] - other[i]));
        }
        return largest;
    }
}
