package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.nn.Block;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
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

    /** How the ranks may go about it. */
    private enum Mode {
        OVERLAP(REDUCTION, MiniNet::plain, 1),
        NO_OVERLAP(REDUCTION.withOverlap(false), MiniNet::plain, 1),
        ONE_BUCKET(Reduction.defaults().withFirstBucketBytes(1 << 20), MiniNet::plain, 1),
        HOOK(REDUCTION.withCommunicationHook((c, b, m) -> PlainAverage.of(c)), MiniNet::plain, 1),
        ACCUMULATION(REDUCTION, MiniNet::plain, 3),
        ACCUMULATION_NO_OVERLAP(REDUCTION.withOverlap(false), MiniNet::plain, 3),
        FIND_UNUSED(REDUCTION.withFindUnused(true), MiniNet::gated, 1),
        FIND_UNUSED_NO_OVERLAP(
                REDUCTION.withFindUnused(true).withOverlap(false), MiniNet::gated, 1),
        FIND_UNUSED_ACCUMULATION(REDUCTION.withFindUnused(true), MiniNet::gated, 3),
        SHARDED(REDUCTION.withShardOptimizerState(true), MiniNet::plain, 1),
        SHARDED_FIND_UNUSED_ACCUMULATION(
                REDUCTION.withShardOptimizerState(true).withFindUnused(true), MiniNet::gated, 3),
        TIED(REDUCTION, MiniNet::tied, 1),
        TIED_NO_OVERLAP(REDUCTION.withOverlap(false), MiniNet::tied, 1);

        final Reduction reduction;
        final Supplier<Block> block;
        final int batches;

        Mode(Reduction reduction, Supplier<Block> block, int batches) {
            this.reduction = reduction;
            this.block = block;
            this.batches = batches;
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void ranksTogetherTrainAsOneInEveryMode(Mode mode) throws Exception {
        Trained one = Ranks.run(1, c -> train(c, mode, 2 * SAMPLES_PER_RANK)).get(0);
        List<Trained> together = Ranks.run(2, c -> train(c, mode, SAMPLES_PER_RANK));
        Trained alone =
                Ranks.run(2, Tampered.skipping("bucket 0"::equals), c -> train(c, mode, 2)).get(0);

        assertThat(together.get(1).after()).isEqualTo(together.get(0).after());
        assertThat(difference(together.get(0).after(), one.after())).isLessThanOrEqualTo(EQUAL);
        assertThat(difference(one.before(), one.after())).isGreaterThanOrEqualTo(.05);
        assertThat(difference(alone.after(), one.after())).isGreaterThan(FAR_OFF);
    }

    @Test
    void theBitsAreTheSameInWhateverWayTheyAreReduced() throws Exception {
        assertThat(bits(Mode.NO_OVERLAP))
                .isEqualTo(bits(Mode.OVERLAP))
                .isEqualTo(bits(Mode.ONE_BUCKET))
                .isEqualTo(bits(Mode.HOOK))
                .isEqualTo(bits(Mode.SHARDED));
        assertThat(bits(Mode.ACCUMULATION_NO_OVERLAP)).isEqualTo(bits(Mode.ACCUMULATION));
        assertThat(bits(Mode.FIND_UNUSED_NO_OVERLAP)).isEqualTo(bits(Mode.FIND_UNUSED));
        assertThat(bits(Mode.SHARDED_FIND_UNUSED_ACCUMULATION))
                .isEqualTo(bits(Mode.FIND_UNUSED_ACCUMULATION));
        assertThat(bits(Mode.TIED_NO_OVERLAP)).isEqualTo(bits(Mode.TIED));
    }

    private static float[] bits(Mode mode) throws Exception {
        return Ranks.run(3, c -> train(c, mode, SAMPLES_PER_RANK)).get(0).after();
    }

    /** That the model for it has parameters which one rank, both, or none uses. */
    @Test
    void gatesOpenOnSomeRanksOnly() throws Exception {
        List<List<Set<String>>> unused =
                Ranks.run(
                        2,
                        c -> {
                            List<Set<String>> steps = new ArrayList<>();
                            Reduction finding = REDUCTION.withFindUnused(true);
                            try (MiniLoop loop = new MiniLoop(c, MiniNet.gated(), 7, finding)) {
                                for (long step = 0; step < STEPS; step++) {
                                    loop.step(step, SAMPLES_PER_RANK, StepFlags.NONE);
                                    steps.add(loop.replica().unusedEverywhere());
                                }
                            }
                            return steps;
                        });

        assertThat(unused.get(1)).isEqualTo(unused.get(0));
        assertThat(unused.get(0)).allSatisfy(names -> assertThat(names).hasSizeBetween(2, 6));
        assertThat(unused.get(0).stream().map(Set::size).distinct()).hasSizeGreaterThan(1);
        assertThat(failureWithoutFinding()).isInstanceOf(UnusedParameterException.class);
    }

    private static Throwable failureWithoutFinding() throws Exception {
        return Ranks.outcomes(2, c -> train(c, Mode.FIND_UNUSED, REDUCTION)).stream()
                .map(Ranks.Outcome::failure)
                .filter(UnusedParameterException.class::isInstance)
                .findFirst()
                .orElseThrow();
    }

    private static Trained train(Communicator communicator, Mode mode, Reduction reduction) {
        return train(communicator, mode.block.get(), reduction, mode.batches, SAMPLES_PER_RANK);
    }

    private static Trained train(Communicator communicator, Mode mode, int samplesPerRank) {
        return train(communicator, mode.block.get(), mode.reduction, mode.batches, samplesPerRank);
    }

    private static Trained train(
            Communicator communicator,
            Block block,
            Reduction reduction,
            int batches,
            int samplesPerRank) {
        try (MiniLoop loop =
                new MiniLoop(communicator, block, 7 + communicator.rank(), reduction)) {
            float[] before = loop.parameters();
            for (long step = 0; step < STEPS; step++) {
                loop.accumulate(step, samplesPerRank, batches);
            }
            return new Trained(before, loop.parameters(), loop.norms());
        }
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

    @Test
    void withoutGatheringWhatOthersUpdateItIsFarOff() throws Exception {
        UnaryOperator<Communicator> tamper = Tampered.skipping(tag -> tag.startsWith("updated"));
        List<Trained> together =
                Ranks.run(2, tamper, c -> train(c, Mode.SHARDED, SAMPLES_PER_RANK));
        assertThat(difference(together.get(0).after(), one(2).after())).isGreaterThan(FAR_OFF);
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
