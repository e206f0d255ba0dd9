package org.yoloddp.train;

import java.util.Arrays;
import org.yoloddp.error.YoloDdpException;

/** A sampler that gives the ranks different numbers of samples, so that they'd wait for ever. */
public final class UnevenShardsException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnevenShardsException(int epoch, long[] lengths) {
        super(
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
            throw new UnevenShardsException(epoch, lengths);
        }
    }
}
