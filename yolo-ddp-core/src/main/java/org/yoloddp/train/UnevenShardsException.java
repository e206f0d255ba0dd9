package org.yoloddp.train;

import java.util.Arrays;
import org.yoloddp.error.YoloDdpException;

/**
 * A sampler that gives the ranks different numbers of samples, so that they'd wait for ever, or
 * different numbers in different epochs, for which the learning rates have no value.
 */
public final class UnevenShardsException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnevenShardsException(String message) {
        super(message);
    }

    private static UnevenShardsException of(int epoch, long[] lengths) {
        return new UnevenShardsException(
                "the sampler gives the ranks "
                        + Arrays.toString(lengths)
                        + " samples in epoch "
                        + epoch
                        + ", but all ranks have to take the same number of steps, and at least one."
                        + " Pad or cut the shards, as IndexSampler.distributed() does, or let ranks"
                        + " that run out wait for the others, by optJoin(Join.ACTIVE_RANKS)");
    }

    private static UnevenShardsException empty(int epoch) {
        return new UnevenShardsException(
                "the sampler gives no rank a sample in epoch " + epoch + "; give at least one");
    }

    /** Checks what all ranks have in an epoch. */
    static void check(int epoch, EpochShards shards, Join join) {
        if (join == Join.NONE && (!shards.even() || shards.steps() == 0)) {
            throw of(epoch, shards.samples());
        }
        if (shards.steps() == 0) {
            throw empty(epoch);
        }
    }

    /** Compares the number of batches with the one that the schedule is bound to. */
    static void checkBatches(int epoch, int batches, int planned) {
        if (batches != planned) {
            throw new UnevenShardsException(
                    "the sampler gives each rank "
                            + batches
                            + " batches in epoch "
                            + epoch
                            + ", but "
                            + planned
                            + " in epoch 0, and learning rates are planned for one number. Let it"
                            + " give equally many samples in each epoch; if the size of the data"
                            + " set changes, keep it as it was when the training began");
        }
    }
}
