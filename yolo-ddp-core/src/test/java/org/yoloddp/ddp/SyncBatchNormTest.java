package org.yoloddp.ddp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.ParameterStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RoutingCommunicator;
import org.yoloddp.comm.TestDevice;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TorchOps;

/** One batch norm whose batch is spread over ranks computes as one that has all of it. */
@Tag("torch")
@Timeout(60)
class SyncBatchNormTest {

    private static final double EQUAL = 1e-5;
    private static final double FAR_OFF = 1e-2;
    private static final int CHANNELS = 6;

    /** How inputs are made and what is done with the outputs; the same for all ranks. */
    private record Case(
            int[] counts, boolean images, boolean channelsLast, boolean frozen, boolean half) {

        int total() {
            int sum = 0;
            for (int count : counts) {
                sum += count;
            }
            return sum;
        }

        Shape each() {
            return images ? new Shape(CHANNELS, 3, 2) : new Shape(CHANNELS);
        }
    }

    /** What a forward and a backward gave; of images or rows from a rank's place on. */
    private record Got(
            float[] output,
            float[] inputGradient,
            float[] gamma,
            float[] beta,
            float[] mean,
            float[] variance,
            List<String> names,
            List<String> layers) {}

    @FunctionalInterface
    private interface Backward {
        void run(NDArray loss) throws Exception;
    }

    @ParameterizedTest
    @CsvSource({
        "2, true, true, false",
        "2, true, false, false",
        "2, false, false, false",
        "3, true, true, false",
        "3, false, false, true",
        "4, true, true, true"
    })
    void computesAsWithTheWholeBatch(
            int ranks, boolean images, boolean channelsLast, boolean frozen) throws Exception {
        int[][] counts = {{}, {}, {2, 5}, {3, 1, 4}, {2, 0, 1, 3}};
        Case given = new Case(counts[ranks], images, channelsLast, frozen, false);
        Got whole = alone(given);
        List<Got> parts = Ranks.run(ranks, c -> part(c, given, true, Autograd::backward));

        assertEqual(parts, whole, EQUAL);
        for (Got part : parts) {
            assertThat(part.names()).isEqualTo(whole.names());
            assertThat(part.layers()).containsExactly("the block itself");
            assertThat(part.mean()).isEqualTo(parts.get(0).mean());
            assertThat(part.variance()).isEqualTo(parts.get(0).variance());
        }
        if (frozen) {
            assertThat(whole.gamma()).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "2, true, true, false",
        "2, false, false, false",
        "3, false, false, true",
        "4, true, true, true"
    })
    void computesAsWithTheWholeBatchOnADeviceWithoutAWaitOfTheHost(
            int ranks, boolean images, boolean channelsLast, boolean frozen) throws Exception {
        int[][] counts = {{}, {}, {2, 5}, {3, 2, 4}, {2, 0, 1, 3}};
        Case given = new Case(counts[ranks], images, channelsLast, frozen, false);
        List<Communicator> devices = InProcessCommunicator.group(ranks, Duration.ofSeconds(30));
        List<TestDevice> used = IntStream.range(0, ranks).mapToObj(TestDevice::new).toList();
        List<Got> parts =
                Ranks.run(
                        ranks,
                        c -> partOnDevice(c, devices, used, given, SyncBatchNormTest::elsewhere));

        assertEqual(parts, alone(given), EQUAL);
        for (Got part : parts) {
            assertThat(part.mean()).isEqualTo(parts.get(0).mean());
            assertThat(part.variance()).isEqualTo(parts.get(0).variance());
        }
        for (TestDevice device : used) {
            assertThat(device.count(TestDevice.Use.ORDER)).isEqualTo(2);
            assertThat(device.count(TestDevice.Use.AWAIT)).isZero();
        }
    }

    @Test
    void withoutConversionItIsFarOff() throws Exception {
        Case given = new Case(new int[] {2, 5}, true, true, false, false);
        Got whole = alone(given);
        List<Got> parts = Ranks.run(2, c -> part(c, given, false, Autograd::backward));

        assertThat(difference(joined(parts, Got::output), whole.output())).isGreaterThan(FAR_OFF);
        assertThat(difference(joined(parts, Got::inputGradient), whole.inputGradient()))
                .isGreaterThan(FAR_OFF);
        assertThat(difference(summed(parts, Got::gamma), whole.gamma())).isGreaterThan(FAR_OFF);
        assertThat(difference(parts.get(0).variance(), whole.variance())).isGreaterThan(FAR_OFF);
    }

    /** On a GPU libtorch runs backward on threads of its own. */
    @Test
    void backwardMayRunOnAnotherThread() throws Exception {
        Case given = new Case(new int[] {2, 5}, true, true, false, false);
        List<Got> parts = Ranks.run(2, c -> part(c, given, true, SyncBatchNormTest::elsewhere));

        assertEqual(parts, alone(given), EQUAL);
    }

    private static void elsewhere(NDArray loss) throws Exception {
        FutureTask<Boolean> task =
                new FutureTask<>(
                        () -> {
                            Autograd.backward(loss);
                            return true;
                        });
        Thread thread = new Thread(task, "backward");
        thread.setDaemon(true);
        thread.start();
        task.get(30, TimeUnit.SECONDS);
    }

    @Test
    void bfloat16InputsKeepStatisticsInFloat32() throws Exception {
        Case given = new Case(new int[] {2, 5}, true, true, false, true);
        List<Got> parts = Ranks.run(2, c -> part(c, given, true, Autograd::backward));

        assertEqual(parts, alone(given), 3e-2);
        assertThat(difference(parts.get(0).mean(), alone(given).mean())).isLessThan(EQUAL);
    }

    @Test
    void aRankThatFailsBeforeBackwardIsNamedOnTheOthers() throws Exception {
        Case given = new Case(new int[] {2, 5}, true, true, false, false);
        List<Ranks.Outcome<Got>> outcomes =
                Ranks.outcomes(
                        2,
                        c ->
                                part(
                                        c,
                                        given,
                                        true,
                                        loss -> {
                                            if (c.rank() == 1) {
                                                throw new IllegalStateException("out of memory");
                                            }
                                            Autograd.backward(loss);
                                        }));

        assertThat(outcomes.get(0).failure())
                .isInstanceOf(RankFailedException.class)
                .hasRootCauseMessage("out of memory");
    }

    @Test
    void oneValuePerChannelHasNoVariance() {
        Case given = new Case(new int[] {1, 0}, false, false, false, false);
        assertThatThrownBy(() -> Ranks.run(2, c -> part(c, given, true, Autograd::backward)))
                .isInstanceOf(SyncBatchNormException.class)
                .hasMessage(
                        "the batch norm at the block itself has 1 value per channel on all ranks"
                                + " together, which have no variance; use larger batches or"
                                + " images");
    }

    @Test
    void withOneRankNothingIsConverted() throws Exception {
        BatchNorm norm = BatchNorm.builder().build();
        Ranks.run(
                1,
                c -> {
                    try (SyncBatchNorm sync = SyncBatchNorm.convert(norm, c)) {
                        assertThat(sync.block()).isSameAs(norm);
                        assertThat(sync.layers()).isEmpty();
                        sync.endBackward();
                    }
                    return true;
                });
    }

    private static Got alone(Case given) throws Exception {
        return run(given, 0, given.total(), null, Collectives::of, Autograd::backward);
    }

    private static Got part(
            Communicator communicator, Case given, boolean convert, Backward backward)
            throws Exception {
        int from = 0;
        for (int r = 0; r < communicator.rank(); r++) {
            from += given.counts()[r];
        }
        int count = given.counts()[communicator.rank()];
        return run(given, from, count, convert ? communicator : null, Collectives::of, backward);
    }

    /** The same on a device whose results are there for who is ordered behind them only. */
    private static Got partOnDevice(
            Communicator host,
            List<Communicator> devices,
            List<TestDevice> used,
            Case given,
            Backward backward)
            throws Exception {
        int from = 0;
        for (int r = 0; r < host.rank(); r++) {
            from += given.counts()[r];
        }
        TestDevice device = used.get(host.rank());
        try (Communicator both =
                RoutingCommunicator.of(host, device.communicator(devices.get(host.rank())))) {
            return run(
                    given,
                    from,
                    given.counts()[host.rank()],
                    both,
                    (group, memory) ->
                            new Collectives(
                                    group, device.memory(), MemoryDevice.HOST, device::current),
                    backward);
        }
    }

    private static Got run(
            Case given,
            int from,
            int count,
            Communicator communicator,
            BiFunction<Communicator, MemoryDevice, Collectives> places,
            Backward backward)
            throws Exception {
        BatchNorm norm = BatchNorm.builder().optMomentum(.7f).optEpsilon(1e-3f).build();
        try (NDManager manager = NDManager.newBaseManager();
                GradMode on = GradMode.enabled()) {
            if (given.frozen()) {
                norm.freezeParameters(true);
            }
            norm.initialize(manager, DataType.FLOAT32, new Shape(1).addAll(given.each()));
            List<String> before = norm.getParameters().keys();
            SyncBatchNorm sync =
                    communicator == null ? null : SyncBatchNorm.convert(norm, communicator, places);
            ai.djl.nn.Block block = sync == null ? norm : sync.block();
            StateDict state = StateDict.of(block);
            assertThat(block.getParameters().keys()).isEqualTo(before);
            fill(state);
            if (!given.frozen()) {
                state.trainable().forEach(e -> e.array().setRequiresGradient(true));
            }
            NDArray x = samples(manager, 1, from, count, given.each(), 5);
            if (given.channelsLast()) {
                Layouts.toChannelsLast(x);
            }
            x.setRequiresGradient(true);
            NDArray weights = samples(manager, 2, from, count, given.each(), 0);
            NDArray in = given.half() ? TorchOps.toBfloat16(x) : x;
            NDArray y =
                    block.forward(new ParameterStore(manager, false), new NDList(in), true)
                            .singletonOrThrow();
            NDArray out = given.half() ? TorchOps.toFloat32(y) : y;
            backward.run(out.mul(weights).sum());
            if (sync != null) {
                sync.endBackward();
            }
            Got got =
                    new Got(
                            out.toFloatArray(),
                            GradientViews.gradient(x).toFloatArray(),
                            gradient(state, "gamma"),
                            gradient(state, "beta"),
                            array(state, "runningMean").toFloatArray(),
                            array(state, "runningVar").toFloatArray(),
                            before,
                            sync == null ? List.of() : sync.layers());
            if (sync != null) {
                sync.close();
            }
            return got;
        }
    }

    private static NDArray array(StateDict state, String name) {
        return state.get(name).array();
    }

    private static float[] gradient(StateDict state, String name) {
        NDArray gradient = GradientViews.gradient(array(state, name));
        return gradient == null ? new float[0] : gradient.toFloatArray();
    }

    /** Nothing is as it was made, so that nothing cancels. */
    private static void fill(StateDict state) {
        Random random = new Random(9);
        try (GradMode off = GradMode.disabled()) {
            for (StateDict.Entry entry : state.entries()) {
                float[] values = new float[CHANNELS];
                for (int c = 0; c < CHANNELS; c++) {
                    values[c] = .5f + random.nextFloat();
                }
                NDArray array = entry.array();
                array.set(new ai.djl.ndarray.index.NDIndex(":"), array.getManager().create(values));
            }
        }
    }

    /** Samples differ in mean and size; a mean far from zero shows cancellation. */
    private static NDArray samples(
            NDManager manager, int seed, int from, int count, Shape each, double mean) {
        int size = Math.toIntExact(each.size());
        float[] values = new float[count * size];
        for (int sample = 0; sample < count; sample++) {
            Random random = new Random(seed * 1000L + from + sample);
            double shift = mean + (from + sample) % 3;
            for (int i = 0; i < size; i++) {
                values[sample * size + i] = (float) (shift + random.nextGaussian());
            }
        }
        return manager.create(values, new Shape(count).addAll(each));
    }

    private static void assertEqual(List<Got> parts, Got whole, double tolerance) {
        assertThat(difference(joined(parts, Got::output), whole.output()))
                .isLessThanOrEqualTo(tolerance);
        assertThat(difference(joined(parts, Got::inputGradient), whole.inputGradient()))
                .isLessThanOrEqualTo(tolerance);
        assertThat(difference(summed(parts, Got::gamma), whole.gamma()))
                .isLessThanOrEqualTo(10 * tolerance);
        assertThat(difference(summed(parts, Got::beta), whole.beta()))
                .isLessThanOrEqualTo(10 * tolerance);
        for (Got part : parts) {
            assertThat(difference(part.mean(), whole.mean())).isLessThanOrEqualTo(EQUAL);
            assertThat(difference(part.variance(), whole.variance())).isLessThanOrEqualTo(EQUAL);
        }
    }

    private static float[] joined(List<Got> parts, java.util.function.Function<Got, float[]> part) {
        List<Float> all = new ArrayList<>();
        for (Got each : parts) {
            for (float value : part.apply(each)) {
                all.add(value);
            }
        }
        float[] array = new float[all.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = all.get(i);
        }
        return array;
    }

    private static float[] summed(List<Got> parts, java.util.function.Function<Got, float[]> part) {
        float[] sum = part.apply(parts.get(0)).clone();
        for (Got each : parts.subList(1, parts.size())) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += part.apply(each)[i];
            }
        }
        return sum;
    }

    private static double difference(float[] one, float[] other) {
        assertThat(one).hasSameSizeAs(other);
        double largest = 0;
        for (int i = 0; i < one.length; i++) {
            double difference = Math.abs((double) one[i] - other[i]);
            // NaN must not pass for equal
            largest = difference >= 0 ? Math.max(largest, difference) : Double.POSITIVE_INFINITY;
        }
        return largest;
    }
}
