package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.nn.Block;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.yoloddp.amp.Precision;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RoutingCommunicator;
import org.yoloddp.comm.TestDevice;
import org.yoloddp.comm.TestDevice.Use;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.optim.OptimizerSpec;

/**
 * Training whose arrays live on a device that Java can't look into and that has a collective's
 * result only for who waits for it: the bits are those of the host, and the host waits for nothing.
 */
@Tag("torch")
@Timeout(120)
class DeviceTrainingTest {

    private static final int STEPS = 6;
    private static final int RANKS = 2;
    private static final Reduction REDUCTION =
            Reduction.defaults().withBucketBytes(2000).withFirstBucketBytes(500);

    private enum Mode {
        OVERLAP(REDUCTION, MiniNet::withBatchNorm, 1),
        NO_OVERLAP(REDUCTION.withOverlap(false), MiniNet::withBatchNorm, 1),
        ACCUMULATION(REDUCTION, MiniNet::plain, 3),
        FIND_UNUSED(REDUCTION.withFindUnused(true), MiniNet::gated, 1),
        FIND_UNUSED_ACCUMULATION(REDUCTION.withFindUnused(true), MiniNet::gated, 3),
        SHARDED(REDUCTION.withShardOptimizerState(true), MiniNet::plain, 1),
        FLOAT16(REDUCTION.withCommunicationHook(CommunicationHooks.float16()), MiniNet::plain, 1),
        BFLOAT16(REDUCTION.withCommunicationHook(CommunicationHooks.bfloat16()), MiniNet::plain, 1),
        POWER_SGD(
                REDUCTION.withCommunicationHook(
                        CommunicationHooks.powerSgd(
                                PowerSgd.defaults().withStartStep(1).withMatrixRank(2))),
                MiniNet::plain,
                1);

        final Reduction reduction;
        final Supplier<Block> block;
        final int batches;

        Mode(Reduction reduction, Supplier<Block> block, int batches) {
            this.reduction = reduction;
            this.block = block;
            this.batches = batches;
        }
    }

    /** What a rank was and has, and what its device was asked for while it trained. */
    private record Trained(float[] before, float[] after, float[] buffers, List<Use> uses) {

        long count(Use use) {
            return uses.stream().filter(use::equals).count();
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void trainingOnADeviceGivesTheBitsOfTheHost(Mode mode) throws Exception {
        List<Trained> host =
                Ranks.run(
                        RANKS, c -> train(Collectives.of(c, MemoryDevice.HOST), mode, null, null));
        List<Trained> device = onDevices(mode, Function.identity());

        for (int rank = 0; rank < RANKS; rank++) {
            Trained trained = device.get(rank);
            if (mode == Mode.POWER_SGD) {
                // Made orthonormal by libtorch there, which adds up in another order.
                assertThat(difference(trained.after(), host.get(0).after())).isLessThan(1e-5);
            } else {
                assertThat(trained.after()).isEqualTo(host.get(0).after());
                assertThat(trained.buffers()).isEqualTo(host.get(rank).buffers());
            }
            assertThat(trained.after()).isEqualTo(device.get(0).after());
            // Every collective has a stream behind it and one before it, and the host waits never.
            assertThat(trained.count(Use.RECORD)).isGreaterThanOrEqualTo(STEPS * 2L);
            assertThat(trained.count(Use.ORDER)).isEqualTo(trained.count(Use.RECORD));
            assertThat(trained.count(Use.AWAIT)).isZero();
        }
        assertThat(difference(host.get(0).before(), host.get(0).after())).isGreaterThan(.01);
    }

    @Test
    void whoDoesNotOrderTheOptimizerBehindTheReductionTrainsOnItsOwnGradients() throws Exception {
        List<Trained> right = onDevices(Mode.NO_OVERLAP, Function.identity());
        List<Trained> wrong = onDevices(Mode.NO_OVERLAP, NeverOrdered::new);
        assertThat(difference(wrong.get(0).after(), right.get(0).after())).isGreaterThan(1e-3);
        assertThat(difference(wrong.get(0).after(), wrong.get(1).after())).isGreaterThan(1e-3);
    }

    @Test
    void hooksAskForTheStreamOfTheThreadThatCallsThem() throws Exception {
        List<Trained> host =
                Ranks.run(
                        RANKS,
                        c -> train(Collectives.of(c, MemoryDevice.HOST), Mode.OVERLAP, null, null));
        ExecutorService autograd = Executors.newCachedThreadPool();
        try {
            List<Trained> device = onDevices(Mode.OVERLAP, Function.identity(), autograd, false);
            assertThat(device.get(0).after()).isEqualTo(host.get(0).after());
            assertThat(device.get(1).after()).isEqualTo(host.get(0).after());
            assertThatThrownBy(() -> onDevices(Mode.OVERLAP, Function.identity(), autograd, true))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageEndingWith("is not that of this thread");
        } finally {
            autograd.shutdownNow();
        }
    }

    @Test
    void oneRankAloneNeedsNoCommunicatorForItsDevice() throws Exception {
        Trained host =
                Ranks.run(
                                1,
                                c ->
                                        train(
                                                Collectives.of(c, MemoryDevice.HOST),
                                                Mode.OVERLAP,
                                                null,
                                                null))
                        .get(0);
        TestDevice device = new TestDevice(0);
        Trained alone = Ranks.run(1, c -> train(on(device, c), Mode.OVERLAP, device, null)).get(0);
        assertThat(alone.after()).isEqualTo(host.after());
        assertThat(alone.uses()).isEmpty();
    }

    @Test
    void flagsOfARankReachAllInTheSameStep() throws Exception {
        List<Communicator> devices = InProcessCommunicator.group(RANKS, Duration.ofSeconds(60));
        List<List<StepFlags>> flags =
                Ranks.run(
                        RANKS,
                        c -> {
                            TestDevice device = new TestDevice(c.rank());
                            try (Communicator both = routing(c, device, devices);
                                    MiniLoop loop = loop(on(device, both), Mode.OVERLAP)) {
                                List<StepFlags> seen = new ArrayList<>();
                                for (int step = 0; step < 3; step++) {
                                    boolean asks = step == 1 && c.rank() == 1;
                                    seen.add(loop.step(step, 2, new StepFlags(false, asks, asks)));
                                }
                                return seen;
                            }
                        });
        assertThat(flags.get(0))
                .isEqualTo(flags.get(1))
                .containsExactly(StepFlags.NONE, new StepFlags(false, true, true), StepFlags.NONE);
    }

    @Test
    void aRankThatFailsEndsTheOthersInTheSameStep() throws Exception {
        List<Communicator> devices = InProcessCommunicator.group(RANKS, Duration.ofSeconds(60));
        IllegalStateException cause = new IllegalStateException("on purpose");
        List<Ranks.Outcome<Integer>> ends =
                Ranks.outcomes(
                        RANKS,
                        c -> {
                            TestDevice device = new TestDevice(c.rank());
                            try (Communicator both = routing(c, device, devices);
                                    MiniLoop loop = loop(on(device, both), Mode.OVERLAP)) {
                                int done = 0;
                                try {
                                    for (; done < 4; done++) {
                                        if (done == 2 && c.rank() == 1) {
                                            throw cause;
                                        }
                                        loop.step(done, 2, StepFlags.NONE);
                                    }
                                } catch (RuntimeException e) {
                                    both.abort(e);
                                    assertThat(done).isEqualTo(2);
                                    throw e;
                                }
                                return done;
                            }
                        });
        assertThat(ends.get(1).failure()).isSameAs(cause);
        assertThat(ends.get(0).failure())
                .isInstanceOf(RankFailedException.class)
                .hasRootCause(cause);
    }

    private static Communicator routing(
            Communicator host, TestDevice device, List<Communicator> devices) {
        return RoutingCommunicator.of(host, device.communicator(devices.get(host.rank())));
    }

    /** libtorch takes the memory for the host's, which it is. */
    private static Collectives on(TestDevice device, Communicator communicator) {
        return new Collectives(communicator, device.memory(), MemoryDevice.HOST, device::current);
    }

    private static List<Trained> onDevices(Mode mode, Function<Communicator, Communicator> tamper)
            throws Exception {
        return onDevices(mode, tamper, null, false);
    }

    private static List<Trained> onDevices(
            Mode mode,
            Function<Communicator, Communicator> tamper,
            @Nullable ExecutorService autograd,
            boolean keepStream)
            throws Exception {
        List<TestDevice> places = IntStream.range(0, RANKS).mapToObj(TestDevice::new).toList();
        List<Communicator> devices = InProcessCommunicator.group(RANKS, Duration.ofSeconds(60));
        return Ranks.run(
                RANKS,
                c -> {
                    TestDevice device = places.get(c.rank());
                    try (Communicator both = tamper.apply(routing(c, device, devices))) {
                        Collectives collectives = on(device, both);
                        if (keepStream) {
                            ComputeStream mine = device.current();
                            collectives =
                                    new Collectives(
                                            both, device.memory(), MemoryDevice.HOST, () -> mine);
                        }
                        return train(collectives, mode, device, autograd);
                    }
                });
    }

    private static MiniLoop loop(Collectives collectives, Mode mode) {
        return new MiniLoop(
                collectives,
                mode.block.get(),
                7,
                mode.reduction,
                Precision.float32(),
                OptimizerSpec.sgd().momentum(.9).nesterov(),
                made -> {});
    }

    private static Trained train(
            Collectives collectives,
            Mode mode,
            @Nullable TestDevice device,
            @Nullable ExecutorService autograd) {
        try (MiniLoop loop = loop(collectives, mode)) {
            if (autograd != null) {
                loop.backwardBy(
                        backward -> {
                            try {
                                autograd.submit(backward).get(30, TimeUnit.SECONDS);
                            } catch (Exception e) {
                                throw new IllegalStateException(e);
                            }
                        });
            }
            float[] before = loop.parameters();
            for (int step = 0; step < STEPS; step++) {
                if (mode.batches == 1) {
                    loop.step(step, 2, StepFlags.NONE);
                } else {
                    loop.accumulate(step, 2, mode.batches);
                }
            }
            List<Use> uses = device == null ? List.of() : device.uses();
            return new Trained(before, loop.parameters(), loop.buffers(), uses);
        }
    }

    private static double difference(float[] a, float[] b) {
        double most = 0;
        for (int i = 0; i < a.length; i++) {
            most = Math.max(most, Math.abs(a[i] - b[i]));
        }
        return most;
    }

    /** Reductions of buckets that nothing is ordered behind. */
    private static final class NeverOrdered extends ForwardingCommunicator {

        NeverOrdered(Communicator inner) {
            super(inner);
        }

        @Override
        protected Work submit(
                Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective) {
            Work work = collective.get();
            return call.tag().startsWith("bucket") ? new Unordered(work) : work;
        }
    }

    private static final class Unordered implements Work {

        private final Work work;

        Unordered(Work work) {
            this.work = work;
        }

        @Override
        public void await(Duration deadline) {
            work.await(deadline);
        }

        @Override
        public void orderBefore(ComputeStream consumer) {}

        @Override
        public boolean isDone() {
            return work.isDone();
        }

        @Override
        public Optional<Throwable> failure() {
            return work.failure();
        }
    }
}
