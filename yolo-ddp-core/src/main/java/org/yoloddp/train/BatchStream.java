package org.yoloddp.train;

import ai.djl.ndarray.NDManager;

/** The batches of one rank in one epoch, in order. Used by one thread. */
public interface BatchStream extends AutoCloseable {

    /**
     * Returns the next batch, waiting no longer than the data deadline of the rank.
     *
     * @param manager owns the arrays of the batch
     * @return the next batch
     * @throws java.util.NoSuchElementException after the last one
     */
    TrainingBatch next(NDManager manager);

    /** Ends loading and frees what was loaded ahead; idempotent. */
    @Override
    void close();
}
