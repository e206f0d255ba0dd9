package org.yoloddp.ddp;

import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** Batch norm over all ranks is not possible for a block, or for a batch. */
public final class SyncBatchNormException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private SyncBatchNormException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static SyncBatchNormException notReplaceable(
            String path, String why, @Nullable Throwable cause) {
        return new SyncBatchNormException(
                "the batch norm at "
                        + path
                        + " can't be replaced by one over all ranks: "
                        + why
                        + "; hold it in a field, array, list or map that can be changed",
                cause);
    }

    static SyncBatchNormException hidden(String path, Throwable cause) {
        return new SyncBatchNormException(
                "the field "
                        + path
                        + " can't be searched for batch norms; open its package to"
                        + " org.yoloddp, or make the block implement SyncBatchNorm.Convertible",
                cause);
    }

    static SyncBatchNormException tooFewValues(String path, long count) {
        return new SyncBatchNormException(
                "the batch norm at "
                        + path
                        + " has "
                        + count
                        + (count == 1 ? " value" : " values")
                        + " per channel on all ranks together, which have no variance; use larger"
                        + " batches or images",
                null);
    }

    static SyncBatchNormException otherDjl(Throwable cause) {
        return new SyncBatchNormException(
                "this version of DJL has another batch norm than 0.35.1; use that one", cause);
    }
}
