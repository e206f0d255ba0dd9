package org.yoloddp.train;

import java.time.Duration;
import org.yoloddp.error.YoloDdpException;

/** A batch of a DJL data set that isn't there when it is needed. */
public final class LateBatchException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private LateBatchException(String message) {
        super(message);
    }

    static LateBatchException tooSlow(BatchPlan plan, int batch, Duration deadline) {
        return new LateBatchException(
                where(plan, batch)
                        + " did not come within "
                        + deadline
                        + ": look at what the data set's get does, or allow more by"
                        + " Deadlines.withData");
    }

    static LateBatchException interrupted(BatchPlan plan, int batch) {
        return new LateBatchException(
                where(plan, batch) + " was waited for when the thread was interrupted");
    }

    private static String where(BatchPlan plan, int batch) {
        return "batch "
                + batch
                + " of "
                + plan.batches()
                + " of epoch "
                + plan.epoch()
                + " on rank "
                + plan.rank().rank();
    }
}
