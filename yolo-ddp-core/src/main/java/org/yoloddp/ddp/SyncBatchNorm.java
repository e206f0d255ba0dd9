package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.torch.DeviceMoments;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.SharedBatchNorm;
import org.yoloddp.torch.SharedBatchNorm.Moments;

/**
 * Lets batch norm take its statistics over the batches of all ranks, as PyTorch's {@code
 * SyncBatchNorm} does; unlike that, also on a CPU.
 *
 * <pre>{@code
 * SyncBatchNorm sync = SyncBatchNorm.convert(block, communicator);
 * block = sync.block();
 * ... forward, backward ...
 * sync.endBackward();
 * }</pre>
 *
 * <p>In training each layer collects mean, variance and number of values of all ranks, which may
 * differ in size, and in backward adds up two sums per channel: both wait for all ranks, on a group
 * of their own, so that gradients may be reduced meanwhile. All ranks must run the same layers in
 * the same order. Names and values of parameters and buffers, evaluation, and everything with one
 * rank stay as they were. Running statistics move by the whole batch, the same on all ranks.
 *
 * <p>Belongs to one rank; a backward of one graph must not overlap with the forward of the next.
 */
public final class SyncBatchNorm implements AutoCloseable {

    private static final String GROUP = "batch norm";

    private final Block block;
    private final @Nullable Communicator communicator;
    private final SharedBatchNorm shared = new SharedBatchNorm();
    private final List<String> layers = new ArrayList<>();
    private final List<Layer> made = new ArrayList<>();

    private final Function<MemoryDevice, Collectives> places;

    private SyncBatchNorm(
            Block block,
            @Nullable Communicator communicator,
            Function<MemoryDevice, Collectives> places) {
        this.communicator = communicator;
        this.places = places;
        this.block = communicator == null ? block : BatchNormConversion.convert(block, this);
    }

    /** A layer with batch norm of its own making, that is without DJL's block for it. */
    public interface Convertible {

        /**
         * Makes the layer call {@link SyncBatchNorm.Layer#batchNorm} in training.
         *
         * @param layer what to call
         */
        void synchronise(Layer layer);
    }

    /**
     * Converts every batch norm of a block in place: DJL's {@code BatchNorm} blocks, wherever the
     * tree of blocks and their fields, lists, maps and arrays hold them, and {@link Convertible}
     * ones. All ranks call it.
     *
     * @param block a block, initialised or not
     * @param communicator the group of ranks; a group of its own is split from it
     * @return the conversion
     * @throws SyncBatchNormException if a reference to a batch norm cannot be replaced, which names
     *     it; the block is then left unusable
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public static SyncBatchNorm convert(Block block, Communicator communicator) {
        return convert(block, communicator, Collectives::of);
    }

    /** Converts a block whose statistics are exchanged in a given way. */
    static SyncBatchNorm convert(
            Block block,
            Communicator communicator,
            BiFunction<Communicator, MemoryDevice, Collectives> places) {
        if (communicator.size() == 1) {
            return new SyncBatchNorm(block, null, device -> places.apply(communicator, device));
        }
        Communicator group =
                communicator
                        .split(GROUP, IntStream.range(0, communicator.size()).toArray())
                        .orElseThrow();
        return new SyncBatchNorm(block, group, device -> places.apply(group, device));
    }

    /**
     * Returns the converted block.
     *
     * @return the block that was given, or what takes its place if that is itself a batch norm
     */
    public Block block() {
        return block;
    }

    /**
     * Returns what was converted.
     *
     * @return the paths of layers, in the order of the tree; empty with one rank
     */
    public List<String> layers() {
        return List.copyOf(layers);
    }

    /** A new layer. */
    Layer layer(String path) {
        layers.add(path);
        Layer layer = new Layer(path);
        made.add(layer);
        return layer;
    }

    /**
     * Ends a backward: throws what has failed in it, and lets go of what it used. Call it after
     * each, on any thread.
     *
     * @throws CommunicationException if another rank failed, left, or did not come in time
     */
    public void endBackward() {
        Throwable failure = shared.failure();
        if (failure instanceof RuntimeException e) {
            throw e;
        }
        if (failure instanceof Error e) {
            throw e;
        }
        shared.release();
    }

    /** Leaves the group; the block can still evaluate. */
    @Override
    public void close() {
        shared.close();
        made.forEach(Layer::close);
        if (communicator != null) {
            communicator.close();
        }
    }

    /** One batch norm of a model. */
    public final class Layer {

        private final String path;
        private @Nullable DeviceStatistics device;

        private Layer(String path) {
            this.path = path;
        }

        /**
         * Normalises each channel by the statistics of all ranks, which also move the running ones.
         * All ranks call it, with as many channels.
         *
         * @param x images (N, C, H, W) or rows (N, C); N may differ by rank, and be 0 on some
         * @param gamma scale per channel
         * @param beta shift per channel
         * @param runningMean running mean per channel
         * @param runningVar running variance per channel (unbiased)
         * @param momentum weight of the batch in the running statistics (PyTorch's sense; DJL's is
         *     one minus that)
         * @param eps added to the variance
         * @return an array like x
         * @throws SyncBatchNormException if all ranks together have one value per channel, or none
         * @throws CommunicationException if another rank failed, left, or did not come in time
         */
        public NDArray batchNorm(
                NDArray x,
                NDArray gamma,
                NDArray beta,
                NDArray runningMean,
                NDArray runningVar,
                double momentum,
                double eps) {
            Collectives collectives = places.apply(Devices.memory(x));
            if (collectives.onDevice()) {
                return onDevice(
                        collectives, x, gamma, beta, runningMean, runningVar, momentum, eps);
            }
            Moments whole = Moments.combine(gather(path, SharedBatchNorm.moments(x)));
            if (whole.count() < 2) {
                throw SyncBatchNormException.tooFewValues(path, whole.count());
            }
            SharedBatchNorm.updateRunning(runningMean, runningVar, whole, momentum);
            return shared.normalise(x, gamma, beta, whole, eps, sums -> add(path, sums));
        }

        private NDArray onDevice(
                Collectives collectives,
                NDArray x,
                NDArray gamma,
                NDArray beta,
                NDArray runningMean,
                NDArray runningVar,
                double momentum,
                double eps) {
            int channels = Math.toIntExact(x.getShape().get(1));
            DeviceStatistics statistics = device;
            if (statistics == null || statistics.channels() != channels) {
                close();
                statistics = new DeviceStatistics(collectives, path, channels, x);
                device = statistics;
            }
            NDArray whole = statistics.whole(x);
            // With two values here there are two in all; else the host has to look.
            if (x.size() < 2L * channels) {
                long count = (long) whole.toDoubleArray()[0];
                if (count < 2) {
                    throw SyncBatchNormException.tooFewValues(path, count);
                }
            }
            DeviceMoments.updateRunning(runningMean, runningVar, whole, momentum);
            return shared.normalise(x, gamma, beta, whole, eps, statistics::add);
        }

        private void close() {
            if (device != null) {
                device.close();
                device = null;
            }
        }
    }

    /** After a failure buffers are left to the communicator: another rank may still read. */
    private List<Moments> gather(String path, Moments mine) {
        Communicator group = group();
        int channels = mine.mean().length;
        int each = 2 * channels + 1;
        long[] counts = new long[group.size()];
        Arrays.fill(counts, each);
        CommBuffer buffer = group.allocate(DType.F64, (long) each * counts.length);
        DoubleBuffer values = doubles(buffer);
        values.position(group.rank() * each);
        values.put(mine.count()).put(mine.mean()).put(mine.variance());
        group.allGather(buffer, counts, ComputeStream.HOST, "statistics of " + path)
                .await(group.deadline());
        List<Moments> parts = new ArrayList<>();
        values.rewind();
        for (int r = 0; r < counts.length; r++) {
            long count = (long) values.get();
            double[] mean = new double[channels];
            double[] variance = new double[channels];
            values.get(mean).get(variance);
            parts.add(new Moments(count, mean, variance));
        }
        buffer.close();
        return parts;
    }

    private void add(String path, double[] sums) {
        Communicator group = group();
        CommBuffer buffer = group.allocate(DType.F64, sums.length);
        doubles(buffer).put(sums);
        group.allReduce(buffer, ReduceOp.SUM, ComputeStream.HOST, "gradient of " + path)
                .await(group.deadline());
        doubles(buffer).get(sums);
        buffer.close();
    }

    private static DoubleBuffer doubles(CommBuffer buffer) {
        return buffer.bytes().order(ByteOrder.nativeOrder()).asDoubleBuffer();
    }

    private Communicator group() {
        if (communicator == null) {
            throw new IllegalStateException("with one rank nothing is converted");
        }
        return communicator;
    }
}
