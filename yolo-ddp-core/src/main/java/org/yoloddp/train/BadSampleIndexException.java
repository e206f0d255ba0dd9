package org.yoloddp.train;

import org.yoloddp.error.YoloDdpException;

/** A sampler that gives a rank the index of a sample that doesn't exist. */
public final class BadSampleIndexException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private BadSampleIndexException(int rank, int epoch, int at, int index, int samples) {
        super(
                "the sampler gives rank "
                        + rank
                        + " in epoch "
                        + epoch
                        + " the index "
                        + index
                        + " (at place "
                        + at
                        + "), but the data has "
                        + samples
                        + " samples. Return indices from 0 to "
                        + (samples - 1));
    }

    static void check(int rank, int epoch, int[] indices, int samples) {
        for (int i = 0; i < indices.length; i++) {
            if (indices[i] < 0 || indices[i] >= samples) {
                throw new BadSampleIndexException(rank, epoch, i, indices[i], samples);
            }
        }
    }
}
