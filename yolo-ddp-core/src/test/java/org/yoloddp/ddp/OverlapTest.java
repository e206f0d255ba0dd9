package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Work;
import org.yoloddp.comm.testing.SlowCommunicator;
import org.yoloddp.torch.GradientHooks;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;
import org.yoloddp.torch.TorchRuntime;

/** That buckets are reduced while backward goes on, and only what is complete. */
@Tag("torch")
@Timeout(60)
class OverlapTest {

    private static final String[] LAYERS = {"a", "b", "c", "d"};

    @BeforeAll
    static void start() {
        TorchRuntime.start();
    }

    @Test
    void aBucketIsReducedWhileBackwardComputesTheOthers() throws Exception {
        List<List<String>> seen =
                Ranks.run(
                        2,
                        c -> {
                            List<String> log = Collections.synchronizedList(new ArrayList<>());
                            Communicator logging =
                                    Intercepted.allReduce(
                                            c,
                                            (tag, buffer, reduction) -> {
                                                log.add("start " + tag);
                                                Work work = reduction.get();
                                                work.whenEnded(() -> log.add("end " + tag));
                                                return work;
                                            });
                            try (Weights weights = new Weights(logging, Weights.single(), LAYERS);
                                    // The layer before the last one in backward waits for the
                                    // first bucket's end: without overlap in vain.
                                    GradientHooks waiting =
                                            GradientHooks.register(
                                                    List.of(weights.get("b")),
                                                    i -> awaitEntry(log, "end bucket 0"))) {
                                weights.step(1, LAYERS);
                                log.clear();
                                weights.replica.zeroGradients();
                                weights.replica.armReduction();
                                weights.backward(1, LAYERS);
                                log.add("backward returns");
                                weights.replica.reduceGradients(StepFlags.NONE);
                                assertThat(waiting.failure()).isNull();
                            }
                            return log;
                        });

        for (List<String> log : seen) {
            assertThat(log)
                    .containsSubsequence(
                            "start bucket 0",
                            "start bucket 1",
                            "start bucket 2",
                            "backward returns",
                            "start bucket 3");
            assertThat(log).containsSubsequence("end bucket 0", "backward returns");
        }
    }

    private static void awaitEntry(List<String> log, String entry) {
        if (!log.contains("start bucket 0")) {
            return; // in the first step, whose order is not that of the layers yet
        }
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!log.contains(entry)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("no " + entry + " during backward, but " + log);
            }
            Thread.onSpinWait();
        }
    }

    @Test
    void withoutOverlapOrWithoutArmingNothingStartsBeforeBackwardReturns() throws Exception {
        for (boolean armed : new boolean[] {true, false}) {
            Reduction reduction = Weights.single().withOverlap(!armed);
            Ranks.run(
                    2,
                    c -> {
                        List<String> started = Collections.synchronizedList(new ArrayList<>());
                        Communicator logging =
                                Intercepted.allReduce(
                                        c,
                                        (tag, buffer, work) -> {
                                            started.add(tag);
                                            return work.get();
                                        });
                        try (Weights weights = new Weights(logging, reduction, LAYERS)) {
                            weights.step(1, LAYERS);
                            started.clear();
                            weights.replica.zeroGradients();
                            if (armed) {
                                weights.replica.armReduction();
                            }
                            weights.backward(c.rank(), LAYERS);
                            assertThat(started).isEmpty();
                            weights.replica.reduceGradients(StepFlags.NONE);
                            assertThat(started)
                                    .containsExactly(
                                            "bucket 0", "bucket 1", "bucket 2", "bucket 3");
                            assertThat(weights.gradients(LAYERS)).containsOnly(.5);
                        }
                        return null;
                    });
        }
    }

    @Test
    void communicationHidesBehindComputation() throws Exception {
        double overlapped = slowestRankMillis(Weights.single());
        double afterwards = slowestRankMillis(Weights.single().withOverlap(false));

        // Per layer as long to compute as to reduce: 5 times as long in place of 8 times.
        assertThat(overlapped).isLessThan(.85 * afterwards);
    }

    /** The faster of two steps whose layers take 25 ms each, as do their buckets. */
    private static double slowestRankMillis(Reduction reduction) throws Exception {
        Duration each = Duration.ofMillis(25);
        List<Double> millis =
                Ranks.run(
                        2,
                        c -> SlowCommunicator.around(c, each, tag -> tag.startsWith("bucket")),
                        c -> {
                            double best = Double.POSITIVE_INFINITY;
                            try (Weights weights = new Weights(c, reduction, LAYERS);
                                    GradientHooks computing =
                                            GradientHooks.register(
                                                    arrays(weights), i -> pass(each.toNanos()))) {
                                weights.step(1, LAYERS);
                                for (int step = 0; step < 2; step++) {
                                    long from = System.nanoTime();
                                    weights.step(1, LAYERS);
                                    best = Math.min(best, (System.nanoTime() - from) / 1e6);
                                }
                            } finally {
                                c.close();
                            }
                            return best;
                        });
        return Collections.max(millis);
    }

    private static List<NDArray> arrays(Weights weights) {
        return weights.state.trainable().stream().map(StateDict.Entry::array).toList();
    }

    private static void pass(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void nobodyTouchesABucketBetweenItsStartAndItsReduction(int batches) throws Exception {
        for (boolean careless : new boolean[] {false, true}) {
            List<Boolean> untouched = Ranks.run(2, c -> keepsItsChecksums(c, batches, careless));

            assertThat(untouched).containsOnly(!careless);
        }
    }

    /** The bucket's bits as it is handed over, and on the line's thread when its turn has come. */
    private static boolean keepsItsChecksums(Communicator c, int batches, boolean careless) {
        Map<String, Long> atStart = new ConcurrentHashMap<>();
        Map<String, Long> before = new ConcurrentHashMap<>();
        Communicator line =
                SlowCommunicator.around(
                        checking(c, before),
                        Duration.ofMillis(20),
                        tag -> tag.startsWith("bucket"));
        boolean same = true;
        try (Weights weights = new Weights(checking(line, atStart), Weights.single(), LAYERS)) {
            weights.step(1, LAYERS);
            for (int step = 0; step < 2; step++) {
                weights.replica.zeroGradients();
                for (int batch = 0; batch < batches; batch++) {
                    if (batch + 1 == batches) {
                        weights.replica.armReduction();
                    }
                    weights.backward(1 + batch + c.rank(), LAYERS);
                }
                if (careless) {
                    try (NDArray d = GradientViews.gradient(weights.manager, weights.get("d"));
                            TensorList list = TensorList.of(List.of(d))) {
                        list.scale(3);
                    }
                }
                weights.replica.reduceGradients(StepFlags.NONE);
                assertThat(atStart).hasSize(LAYERS.length);
                same &= atStart.equals(before);
                double sum = batches + batches * (batches - 1) / 2.0;
                assertThat(weights.gradient("a")).isEqualTo(sum + batches * .5);
            }
        } finally {
            line.close();
        }
        return same;
    }

    private static Communicator checking(Communicator inner, Map<String, Long> checksums) {
        return Intercepted.allReduce(
                inner,
                (tag, buffer, reduction) -> {
                    checksums.put(tag, checksum(buffer));
                    return reduction.get();
                });
    }

    private static long checksum(CommBuffer buffer) {
        CRC32 crc = new CRC32();
        crc.update(buffer.bytes());
        return crc.getValue();
    }

    @Test
    void aRankWhoseOrderDiffersWaitsAndGetsTheSame() throws Exception {
        String[] reversed = {"d", "c", "b", "a"};
        List<List<String>> starts =
                Ranks.run(
                        2,
                        c -> {
                            List<String> log = Collections.synchronizedList(new ArrayList<>());
                            Communicator logging =
                                    Intercepted.allReduce(
                                            c,
                                            (tag, buffer, reduction) -> {
                                                log.add(tag);
                                                return reduction.get();
                                            });
                            try (Weights weights = new Weights(logging, Weights.single(), LAYERS)) {
                                String[] mine = c.rank() == 0 ? LAYERS : reversed;
                                for (int step = 1; step <= 3; step++) {
                                    log.clear();
                                    weights.replica.zeroGradients();
                                    weights.replica.armReduction();
                                    weights.backward(step + c.rank(), mine);
                                    log.add("backward returns");
                                    weights.replica.reduceGradients(StepFlags.NONE);
                                    assertThat(weights.gradients(LAYERS)).containsOnly(step + .5);
                                }
                            }
                            return log;
                        });

        assertThat(starts.get(0))
                .containsExactly(
                        "bucket 0", "bucket 1", "bucket 2", "backward returns", "bucket 3");
        // What rank 0 fills first comes last here, and the others wait for it.
        assertThat(starts.get(1))
                .containsExactly(
                        "backward returns", "bucket 0", "bucket 1", "bucket 2", "bucket 3");
    }

    @Test
    void theOrderOfTheFirstStepIsThatOfRankZero() throws Exception {
        String[] shuffled = {"c", "a", "d", "b"};
        List<List<String>> orders =
                Ranks.run(
                        2,
                        c -> {
                            List<String> order = new ArrayList<>();
                            Reduction reduction =
                                    Weights.single()
                                            .withCommunicationHook(
                                                    (group, buckets, manager) -> {
                                                        order.addAll(names(buckets));
                                                        return PlainAverage.of(group);
                                                    });
                            try (Weights weights = new Weights(c, reduction, LAYERS)) {
                                weights.step(1, c.rank() == 0 ? shuffled : LAYERS);
                                assertThat(order).isEmpty();
                                weights.replica.zeroGradients();
                            }
                            return order;
                        });

        assertThat(orders).containsOnly(List.of("b", "d", "a", "c"));
    }

    private static List<String> names(List<GradientBucket> buckets) {
        return buckets.stream()
                .flatMap(bucket -> bucket.slots().stream())
                .map(GradientBucket.Slot::parameter)
                .toList();
    }

    @Test
    void hooksMayBeCalledOnAForeignThread() throws Exception {
        List<List<Double>> gradients =
                Ranks.run(
                        2,
                        c -> {
                            try (Weights weights = new Weights(c, Weights.single(), LAYERS)) {
                                List<Double> seen = new ArrayList<>();
                                for (int step = 0; step < 3; step++) {
                                    weights.replica.zeroGradients();
                                    weights.replica.armReduction();
                                    int gradient = step + 2 * c.rank();
                                    FutureTask<Void> backward =
                                            new FutureTask<>(
                                                    () -> weights.backward(gradient, LAYERS), null);
                                    new Thread(backward, "autograd of rank " + c.rank()).start();
                                    backward.get(20, TimeUnit.SECONDS);
                                    weights.replica.reduceGradients(StepFlags.NONE);
                                    seen.addAll(weights.gradients("a", "d"));
                                }
                                return seen;
                            }
                        });

        assertThat(gradients).containsOnly(List.of(1.0, 1.0, 2.0, 2.0, 3.0, 3.0));
    }

    @Test
    void onlyWaitingCountsAsExposed() throws Exception {
        Ranks.run(
                2,
                c -> {
                    try (Weights weights = new Weights(c, Weights.single(), LAYERS);
                            GradientHooks slow =
                                    GradientHooks.register(
                                            arrays(weights), i -> pass(20_000_000))) {
                        weights.step(1, LAYERS);
                        weights.replica.takeExposedMillis();
                        long from = System.nanoTime();
                        weights.step(1, LAYERS);
                        double elapsed = (System.nanoTime() - from) / 1e6;
                        // 80 ms of it in hooks, which are no waiting.
                        assertThat(weights.replica.takeExposedMillis())
                                .isBetween(0.0, elapsed - 79);
                    }
                    return null;
                });
    }
}
