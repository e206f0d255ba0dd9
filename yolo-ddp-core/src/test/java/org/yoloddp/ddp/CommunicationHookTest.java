package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.Work;

/** Hooks that a user writes. */
@Tag("torch")
class CommunicationHookTest {

    private static final int STEPS = 6;
    private static final Reduction REDUCTION =
            Reduction.defaults().withBucketBytes(2000).withFirstBucketBytes(500);

    @Test
    void theDocumentedExampleGivesTheBitsOfNoHook() throws Exception {
        List<float[]> without = train(2, REDUCTION);
        List<float[]> with =
                train(
                        2,
                        REDUCTION.withCommunicationHook(
                                (communicator, buckets, manager) -> PlainAverage.of(communicator)));
        assertThat(with.get(0)).isEqualTo(without.get(0));
        assertThat(with.get(1)).isEqualTo(without.get(0));
    }

    /** Each rank collects all ranks' gradients and takes the median of each element. */
    private static final class Median implements CommunicationHook {

        private final Communicator communicator;
        private final Map<Integer, CommBuffer> gathered = new HashMap<>();

        Median(Communicator communicator, List<GradientBucket> buckets) {
            this.communicator = communicator;
            for (GradientBucket bucket : buckets) {
                gathered.put(
                        bucket.index(),
                        communicator.allocate(
                                DType.F32, bucket.buffer().count() * communicator.size()));
            }
        }

        @Override
        public Pending start(GradientBucket bucket) {
            int count = Math.toIntExact(bucket.buffer().count());
            FloatBuffer all = gathered.get(bucket.index()).bytes().asFloatBuffer();
            FloatBuffer own = bucket.buffer().bytes().asFloatBuffer();
            all.put(communicator.rank() * count, own, 0, count);
            long[] counts = new long[communicator.size()];
            Arrays.fill(counts, count);
            Work work =
                    communicator.allGather(
                            gathered.get(bucket.index()),
                            counts,
                            ComputeStream.HOST,
                            "gradients of bucket " + bucket.index());
            return deadline -> {
                work.await(deadline);
                float[] ranks = new float[counts.length];
                for (int i = 0; i < count; i++) {
                    for (int rank = 0; rank < ranks.length; rank++) {
                        ranks[rank] = all.get(rank * count + i);
                    }
                    Arrays.sort(ranks);
                    // A flag that any rank has raised stays raised.
                    own.put(
                            i,
                            ranks[i < bucket.tailOffset() ? ranks.length / 2 : ranks.length - 1]);
                }
            };
        }

        @Override
        public void close() {
            gathered.values().forEach(CommBuffer::close);
        }
    }

    @Test
    void anotherReductionThanTheAverage() throws Exception {
        Reduction median =
                REDUCTION.withCommunicationHook(
                        (communicator, buckets, manager) -> new Median(communicator, buckets));
        List<float[]> with = train(3, median);
        assertThat(with.get(1)).isEqualTo(with.get(0));
        assertThat(with.get(2)).isEqualTo(with.get(0));
        assertThat(with.get(0)).isNotEqualTo(train(3, REDUCTION).get(0));
        assertThat(flagged(3, median)).containsOnly(new StepFlags(false, true, false));
    }

    private static List<StepFlags> flagged(int ranks, Reduction reduction) throws Exception {
        return Ranks.run(
                ranks,
                c -> {
                    try (MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 7, reduction)) {
                        loop.step(0, 2, StepFlags.NONE);
                        assertThat(loop.step(1, 2, StepFlags.NONE)).isEqualTo(StepFlags.NONE);
                        return loop.step(2, 2, new StepFlags(false, c.rank() == 1, false));
                    }
                });
    }

    @Test
    void flagsComeThroughEveryHook() throws Exception {
        for (CommunicationHook.Factory factory :
                List.of(
                        CommunicationHooks.float16(),
                        CommunicationHooks.bfloat16(),
                        CommunicationHooks.powerSgd(
                                PowerSgd.defaults()
                                        .withStartStep(0)
                                        .withMinCompressionRate(1.1)))) {
            assertThat(flagged(3, REDUCTION.withCommunicationHook(factory)))
                    .containsOnly(new StepFlags(false, true, false));
        }
    }

    /** Writes down how it is used. */
    private static final class Told implements CommunicationHook {

        private final CommunicationHook inner;
        private final List<String> log;

        Told(CommunicationHook inner, List<String> log) {
            this.inner = inner;
            this.log = log;
            log.add("create");
        }

        @Override
        public void lossScale(double scale) {
            log.add("scale " + scale);
        }

        @Override
        public Pending start(GradientBucket bucket) {
            log.add("start " + bucket.index());
            Pending pending = inner.start(bucket);
            return (Duration deadline) -> {
                pending.await(deadline);
                log.add("await " + bucket.index());
            };
        }

        @Override
        public void stepSkipped() {
            log.add("skipped");
        }

        @Override
        public void close() {
            log.add("close");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void isToldOfEverythingInOrder(boolean overlap) throws Exception {
        List<List<String>> logs =
                Ranks.run(
                        2,
                        c -> {
                            List<String> log = new ArrayList<>();
                            Reduction reduction =
                                    Reduction.defaults()
                                            .withBucketBytes(6000)
                                            .withFirstBucketBytes(6000)
                                            .withOverlap(overlap)
                                            .withCommunicationHook(
                                                    (communicator, buckets, manager) ->
                                                            new Told(
                                                                    PlainAverage.of(communicator),
                                                                    log));
                            try (MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 7, reduction)) {
                                loop.replica().lossScale(8);
                                loop.step(0, 2, StepFlags.NONE);
                                loop.replica().stepSkipped();
                                loop.step(1, 2, StepFlags.NONE);
                                loop.replica().stepSkipped();
                                loop.replica().lossScale(4);
                                loop.step(2, 2, StepFlags.NONE);
                            }
                            return log;
                        });
        for (List<String> log : logs) {
            assertThat(log)
                    .containsExactly(
                            "create",
                            "scale 8.0",
                            "start 0",
                            "start 1",
                            "start 2",
                            "await 0",
                            "await 1",
                            "await 2",
                            "skipped",
                            "scale 4.0",
                            "start 0",
                            "start 1",
                            "start 2",
                            "await 0",
                            "await 1",
                            "await 2",
                            "close");
        }
    }

    @Test
    void oneThatThrowsFailsAllRanks() throws Exception {
        List<Ranks.Outcome<Object>> outcomes =
                Ranks.outcomes(
                        2,
                        c -> {
                            Reduction failing =
                                    REDUCTION.withCommunicationHook(
                                            (communicator, buckets, manager) ->
                                                    bucket -> throwing(communicator, bucket));
                            try (MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 7, failing)) {
                                loop.step(0, 2, StepFlags.NONE);
                                loop.step(1, 2, StepFlags.NONE);
                            }
                            return null;
                        });
        assertThat(outcomes.get(1).failure())
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("a hook's mistake");
        assertThat(outcomes.get(0).failure())
                .isInstanceOf(RankFailedException.class)
                .hasRootCauseMessage("a hook's mistake");
    }

    private static CommunicationHook.Pending throwing(
            Communicator communicator, GradientBucket bucket) {
        if (communicator.rank() == 1 && bucket.index() == 1) {
            throw new IllegalStateException("a hook's mistake");
        }
        return PlainAverage.of(communicator).start(bucket);
    }

    /** Closing while compressed gradients are on their way, because a peer failed. */
    @Test
    void aPeerThatFailsLeavesNothingHanging() throws Exception {
        for (CommunicationHook.Factory factory :
                List.of(
                        CommunicationHooks.float16(),
                        CommunicationHooks.powerSgd(
                                PowerSgd.defaults()
                                        .withStartStep(0)
                                        .withMinCompressionRate(1.1)))) {
            List<Ranks.Outcome<Object>> outcomes =
                    Ranks.outcomes(
                            2,
                            c -> {
                                Reduction reduction =
                                        REDUCTION
                                                .withShardOptimizerState(true)
                                                .withCommunicationHook(factory);
                                try (MiniLoop loop =
                                        new MiniLoop(c, MiniNet.plain(), 7, reduction)) {
                                    loop.step(0, 2, StepFlags.NONE);
                                    if (c.rank() == 1) {
                                        throw new IllegalStateException("lost");
                                    }
                                    loop.step(1, 2, StepFlags.NONE);
                                }
                                return null;
                            });
            assertThat(outcomes.get(0).failure())
                    .isInstanceOf(RankFailedException.class)
                    .hasRootCauseMessage("lost");
        }
    }

    private static List<float[]> train(int ranks, Reduction reduction) throws Exception {
        return Ranks.run(
                ranks,
                c -> {
                    try (MiniLoop loop = new MiniLoop(c, MiniNet.plain(), 7, reduction)) {
                        for (long step = 0; step < STEPS; step++) {
                            loop.step(step, 2, StepFlags.NONE);
                        }
                        return loop.parameters();
                    }
                });
    }
}
