package org.yoloddp.ddp;

import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/**
 * How gradients are reduced over the ranks. Immutable: each setter returns a changed copy. All
 * ranks give the same.
 *
 * <p>Defaults: buckets of an eighth of the model, from 64 KiB to 25 MiB; the first one a quarter of
 * that, since it starts earliest if it fills soonest; plain averages, computed while backward goes
 * on; a parameter that gets no gradient is an error; buffers are broadcast; the optimizer's state
 * is whole on every rank; no verification.
 */
public final class Reduction {

    private static final long SMALLEST = 64L << 10;
    private static final long LARGEST = 25L << 20;
    private static final int BUCKETS = 8;
    private static final int FIRST_BUCKET_SHARE = 4;
    private static final Reduction DEFAULTS = new Reduction(new Options());

    private final Options options;

    private Reduction(Options options) {
        this.options = options;
    }

    /** The values; changed only before a reduction holds them. */
    private static final class Options {
        long bucketBytes;
        long firstBucketBytes;
        int verifyEvery;
        boolean overlap = true;
        boolean findUnused;
        boolean broadcastBuffers = true;
        boolean shardOptimizerState;
        CommunicationHook.@Nullable Factory communicationHook;

        Options copy() {
            Options copy = new Options();
            copy.bucketBytes = bucketBytes;
            copy.firstBucketBytes = firstBucketBytes;
            copy.verifyEvery = verifyEvery;
            copy.overlap = overlap;
            copy.findUnused = findUnused;
            copy.broadcastBuffers = broadcastBuffers;
            copy.shardOptimizerState = shardOptimizerState;
            copy.communicationHook = communicationHook;
            return copy;
        }
    }

    private Reduction with(Consumer<Options> change) {
        Options changed = options.copy();
        change.accept(changed);
        return new Reduction(changed);
    }

    /**
     * Returns the defaults.
     *
     * @return the defaults
     */
    public static Reduction defaults() {
        return DEFAULTS;
    }

    /**
     * Returns a copy with another size of buckets.
     *
     * @param bytes the size, or 0 to take it from the model's size
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withBucketBytes(long bytes) {
        requireNonNegative("bucketBytes", bytes);
        return with(o -> o.bucketBytes = bytes);
    }

    /**
     * Returns a copy with another size of the first bucket.
     *
     * @param bytes the size, or 0 for a quarter of the others'
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withFirstBucketBytes(long bytes) {
        requireNonNegative("firstBucketBytes", bytes);
        return with(o -> o.firstBucketBytes = bytes);
    }

    /**
     * Returns a copy that compares the ranks' parameters now and then, bit by bit.
     *
     * @param steps after how many steps, or 0 for never
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withVerifyEvery(int steps) {
        requireNonNegative("verifyEvery", steps);
        return with(o -> o.verifyEvery = steps);
    }

    /**
     * Returns a copy that starts the reduction of a bucket as soon as backward has filled it, or
     * only after backward. Both give the same bits.
     *
     * @param on whether to reduce during backward
     * @return the copy
     */
    public Reduction withOverlap(boolean on) {
        return with(o -> o.overlap = on);
    }

    /**
     * Returns a copy that lets parameters go without a gradient in a step, as PyTorch's {@code
     * find_unused_parameters} does: where some ranks have used one, the others count as zero; one
     * that no rank has used keeps its value and the optimizer's memory of it. Otherwise such a step
     * fails with an {@link UnusedParameterException}.
     *
     * @param on whether to look for unused parameters
     * @return the copy
     */
    public Reduction withFindUnused(boolean on) {
        return with(o -> o.findUnused = on);
    }

    /**
     * Returns a copy that copies rank 0's buffers, such as running statistics, to all ranks before
     * each synchronised forward, or leaves each rank its own.
     *
     * @param on whether to broadcast buffers
     * @return the copy
     */
    public Reduction withBroadcastBuffers(boolean on) {
        return with(o -> o.broadcastBuffers = on);
    }

    /**
     * Returns a copy that keeps the optimizer's state of each parameter on one rank only (ZeRO,
     * stage 1), or all of it on every rank. Both give the same bits.
     *
     * @param on whether to share out the state
     * @return the copy
     */
    public Reduction withShardOptimizerState(boolean on) {
        return with(o -> o.shardOptimizerState = on);
    }

    /**
     * Returns a copy that reduces buckets by something else than a plain average, for instance with
     * compression.
     *
     * @param factory makes the hook of a rank
     * @return the copy
     */
    public Reduction withCommunicationHook(CommunicationHook.Factory factory) {
        Objects.requireNonNull(factory, "factory");
        return with(o -> o.communicationHook = factory);
    }

    /**
     * Returns the size of a bucket.
     *
     * @return bytes, or 0 if it is taken from the model's size
     */
    public long bucketBytes() {
        return options.bucketBytes;
    }

    /**
     * Returns the size of the first bucket.
     *
     * @return bytes, or 0 for a quarter of the others'
     */
    public long firstBucketBytes() {
        return options.firstBucketBytes;
    }

    /**
     * Returns after how many steps the ranks compare their parameters.
     *
     * @return steps, or 0 for never
     */
    public int verifyEvery() {
        return options.verifyEvery;
    }

    /**
     * Tells whether buckets are reduced while backward goes on.
     *
     * @return true by default
     */
    public boolean overlap() {
        return options.overlap;
    }

    /**
     * Tells whether parameters may go without a gradient.
     *
     * @return false by default
     */
    public boolean findUnused() {
        return options.findUnused;
    }

    /**
     * Tells whether rank 0's buffers are copied to all before each synchronised forward.
     *
     * @return true by default
     */
    public boolean broadcastBuffers() {
        return options.broadcastBuffers;
    }

    /**
     * Tells whether the optimizer's state is shared out over the ranks.
     *
     * @return false by default
     */
    public boolean shardOptimizerState() {
        return options.shardOptimizerState;
    }

    /**
     * Returns what reduces the buckets.
     *
     * @return the maker of hooks, empty for plain averages
     */
    public Optional<CommunicationHook.Factory> communicationHook() {
        return Optional.ofNullable(options.communicationHook);
    }

    long bucketBytesFor(long modelBytes) {
        return bucketBytes() > 0
                ? bucketBytes()
                : Math.min(LARGEST, Math.max(SMALLEST, modelBytes / BUCKETS));
    }

    long firstBucketBytesFor(long modelBytes) {
        return firstBucketBytes() > 0
                ? firstBucketBytes()
                : Math.max(1, bucketBytesFor(modelBytes) / FIRST_BUCKET_SHARE);
    }

    private static void requireNonNegative(String name, long value) {
        if (value < 0) {
            throw new ConfigurationException(name + " is " + value + ", must be 0 or more");
        }
    }

    /** What the ranks must have in common to bring the same buckets. */
    String describe() {
        return "reduction in buckets of "
                + firstBucketBytes()
                + " and "
                + bucketBytes()
                + " bytes"
                + (findUnused() ? ", finding unused parameters" : "")
                + (communicationHook().isPresent() ? ", by a hook" : "")
                + (shardOptimizerState() ? ", of a divided optimizer state" : "");
    }
}
