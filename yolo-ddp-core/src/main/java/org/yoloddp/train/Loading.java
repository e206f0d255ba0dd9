package org.yoloddp.train;

import org.yoloddp.error.ConfigurationException;

/**
 * How batches are loaded. Immutable. Data sets of DJL are always read by one thread per rank, and
 * what they hold in memory is theirs: of this only {@code prefetch} is for them.
 *
 * @param workers threads that load images for one rank; 0, the default, lets the data decide
 * @param prefetch batches that are ready ahead of the step; default 2
 * @param cacheBytes memory for decoded images, shared by all ranks of this JVM; default 1 GiB, 0
 *     switches the cache off
 */
public record Loading(int workers, int prefetch, long cacheBytes) {

    /**
     * Checks the values.
     *
     * @param workers threads that load for one rank
     * @param prefetch batches that are ready ahead of the step
     * @param cacheBytes memory for decoded images
     * @throws ConfigurationException if one is out of range
     */
    public Loading {
        if (workers < 0) {
            throw new ConfigurationException(
                    "loading workers is " + workers + ", but has to be 0 (automatic) or more");
        }
        if (prefetch < 1) {
            throw new ConfigurationException(
                    "loading prefetch is " + prefetch + ", but has to be 1 or more");
        }
        if (cacheBytes < 0) {
            throw new ConfigurationException(
                    "loading cacheBytes is " + cacheBytes + ", but has to be 0 (off) or more");
        }
    }

    /**
     * Returns the defaults.
     *
     * @return the defaults
     */
    public static Loading defaults() {
        return new Loading(0, 2, 1L << 30);
    }

    /**
     * Returns a copy with another number of workers.
     *
     * @param value threads that load for one rank, 0 for automatic
     * @return the copy
     */
    public Loading withWorkers(int value) {
        return new Loading(value, prefetch, cacheBytes);
    }

    /**
     * Returns a copy with another number of batches ahead.
     *
     * @param value batches that are ready ahead of the step
     * @return the copy
     */
    public Loading withPrefetch(int value) {
        return new Loading(workers, value, cacheBytes);
    }

    /**
     * Returns a copy with another size of the cache.
     *
     * @param value bytes of decoded images to keep, 0 for none
     * @return the copy
     */
    public Loading withCacheBytes(long value) {
        return new Loading(workers, prefetch, value);
    }
}
