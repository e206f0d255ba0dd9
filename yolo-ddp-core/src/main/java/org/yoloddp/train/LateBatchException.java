package org.yoloddp.train;

import java.time.Duration;
import java.util.Arrays;
import org.yoloddp.error.YoloDdpException;

/** A batch of a DJL data set that isn't there when it is needed. */
public final class LateBatchException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private LateBatchException(String message) {
        super(message);
    }

    static LateBatchException tooSlow(BatchPlan plan, int batch, Duration deadline) {
        return tooSlow(plan, batch, deadline, new StackTraceElement[0]);
    }

    /** Tells also where the thread is that should bring it. */
    static LateBatchException tooSlow(
            BatchPlan plan, int batch, Duration deadline, StackTraceElement[] stack) {
        return new LateBatchException(
                where(plan, batch)
                        + " did not come within "
                        + deadline
                        + ": look at what the data set's get does"
                        + place(stack)
                        + ", or allow more by Deadlines.withData");
    }

    /** The innermost frame that is no part of Java itself. */
    private static String place(StackTraceElement[] stack) {
        return Arrays.stream(stack)
                .filter(frame -> !frame.getClassName().matches("(java|javax|jdk|sun)\\..*"))
                .findFirst()
                .map(
                        frame ->
                                ", whose thread is at "
                                        + frame.getClassName()
                                        + "."
                                        + frame.getMethodName()
                                        + "("
                                        + frame.getFileName()
                                        + ":"
                                        + frame.getLineNumber()
                                        + ")")
                .orElse("");
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
