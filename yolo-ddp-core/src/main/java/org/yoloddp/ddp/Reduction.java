package org.yoloddp.ddp;

import org.yoloddp.error.ConfigurationException;

/**
 * How gradients are reduced over the ranks. Immutable: each setter returns a changed copy.
 *
 * <p>Defaults: buckets of an eighth of the model, from 64 KiB to 25 MiB; the first one a quarter of
 * that, since it starts earliest if it fills soonest; no verification.
 *
 * @param bucketBytes the size of a bucket, or 0 to take it from the model's size
 * @param firstBucketBytes the size of the first bucket, or 0 for a quarter of the others'
 * @param verifyEvery after how many steps the ranks compare their parameters, or 0 for never
 */
public record Reduction(long bucketBytes, long firstBucketBytes, int verifyEvery) {

    private static final long SMALLEST = 64L << 10;
    private static final long LARGEST = 25L << 20;
    private static final int BUCKETS = 8;
    private static final int FIRST_BUCKET_SHARE = 4;

    /**
     * Checks the values.
     *
     * @param bucketBytes 0 or more
     * @param firstBucketBytes 0 or more
     * @param verifyEvery 0 or more
     * @throws ConfigurationException if one is negative
     */
    public Reduction {
        requireNonNegative("bucketBytes", bucketBytes);
        requireNonNegative("firstBucketBytes", firstBucketBytes);
        requireNonNegative("verifyEvery", verifyEvery);
    }

    /**
     * Returns the defaults.
     *
     * @return the defaults
     */
    public static Reduction defaults() {
        return new Reduction(0, 0, 0);
    }

    /**
     * Returns a copy with another size of buckets.
     *
     * @param bytes the size, or 0 to take it from the model's size
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withBucketBytes(long bytes) {
        return new Reduction(bytes, firstBucketBytes, verifyEvery);
    }

    /**
     * Returns a copy with another size of the first bucket.
     *
     * @param bytes the size, or 0 for a quarter of the others'
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withFirstBucketBytes(long bytes) {
        return new Reduction(bucketBytes, bytes, verifyEvery);
    }

    /**
     * Returns a copy that compares the ranks' parameters now and then, bit by bit.
     *
     * @param steps after how many steps, or 0 for never
     * @return the copy
     * @throws ConfigurationException if it is negative
     */
    public Reduction withVerifyEvery(int steps) {
        return new Reduction(bucketBytes, firstBucketBytes, steps);
    }

    long bucketBytesFor(long modelBytes) {
        return bucketBytes > 0
                ? bucketBytes
                : Math.min(LARGEST, Math.max(SMALLEST, modelBytes / BUCKETS));
    }

    long firstBucketBytesFor(long modelBytes) {
        return firstBucketBytes > 0
                ? firstBucketBytes
                : Math.max(1, bucketBytesFor(modelBytes) / FIRST_BUCKET_SHARE);
    }

    private static void requireNonNegative(String name, long value) {
        if (value < 0) {
            throw new ConfigurationException(name + " is " + value + ", must be 0 or more");
        }
    }
}
