package org.yoloddp.train;

/**
 * What happens where a sampler gives the ranks unlike numbers of samples: the counterpart of
 * PyTorch's {@code Join} context manager.
 *
 * <p>A rank that has run out of batches goes on with zeros for gradients until the last rank is
 * done with the epoch: it takes part in every reduction, takes over the buffers (such as running
 * statistics) of the first rank that still has data, and makes the same optimizer steps, so that
 * all ranks stay equal. An epoch has as many steps as the rank with the most batches.
 */
public enum Join {

    /** Unlike numbers are an error: {@link UnevenShardsException}. The default. */
    NONE,

    /**
     * Gradients are averaged over the ranks that have a batch. For a loss that is the mean over a
     * batch: each batch counts as much as any other.
     */
    ACTIVE_RANKS,

    /**
     * Gradients are always divided by the number of all ranks, so that batches weigh less when
     * fewer ranks have one: PyTorch's {@code divide_by_initial_world_size}. For a loss that is a
     * sum over a batch times the number of ranks, as YOLOv5's is: each sample counts as much as any
     * other.
     */
    ALL_RANKS;

    /** By what a rank with a batch multiplies its gradients, before all ranks are averaged. */
    double weight(int ranks, int active) {
        return this == ACTIVE_RANKS ? (double) ranks / active : 1;
    }
}
