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
                        + " Pad or cut the shards, as IndexSampler.distributed() does");
    }

    /** Compares the lengths of all ranks; a collective. */
    static void check(RankContext rank, int epoch, int length) {
        long[] lengths = Gather.longs(rank.communicator(), length, "samples of epoch " + epoch);
        if (length == 0 || Arrays.stream(lengths).distinct().count() > 1) {
            throw of(epoch, lengths);
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
