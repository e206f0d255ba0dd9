package org.yoloddp.examples;

import java.time.Duration;
import java.util.Locale;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.launch.LaunchReport;

/** What was computed on GPUs, or the way it was, is not as it has to be. */
final class GpuCheckException extends YoloDdpException {

    private static final long serialVersionUID = 1;

    private GpuCheckException(String message) {
        super(message);
    }

    static GpuCheckException wrongSum(
            String who, int rank, long element, float found, float expected) {
        return new GpuCheckException(
                String.format(
                        Locale.ROOT,
                        "The sum of %s is wrong on rank %d: element %d is %s, not %s. NCCL, the"
                                + " driver or the hardware has lost or mixed up something: run"
                                + " again with NCCL_DEBUG=INFO, and with nccl-tests beside it.",
                        who,
                        rank,
                        element,
                        found,
                        expected));
    }

    static GpuCheckException otherLoss(
            String where, double found, String elsewhere, double expected, double early) {
        return new GpuCheckException(
                String.format(
                        Locale.ROOT,
                        "The mean loss %s is %.4f, and %s %.4f (at the start %.4f): the training"
                                + " does not learn as it has to. Run 'yolo-ddp doctor --gpu' once"
                                + " more with CUDA_LAUNCH_BLOCKING=1 to tell wrong kernels from a"
                                + " wrong order.",
                        where,
                        found,
                        elsewhere,
                        expected,
                        early));
    }

    static GpuCheckException streamOrder(long wrong, long all) {
        return new GpuCheckException(
                wrong
                        + " of "
                        + all
                        + " sums are wrong where a kernel writes late: a collective does not wait"
                        + " for its producer, or who reads the result does not wait for it.");
    }

    static GpuCheckException lateOrOther(
            double seconds, Duration limit, CommunicationException cause) {
        return new GpuCheckException(
                String.format(
                        Locale.ROOT,
                        "Rank 1 was stopped, and after %.1f s (at most %d s are right) the others"
                                + " failed otherwise than of it: %s: %s",
                        seconds,
                        limit.toSeconds(),
                        cause.getClass().getSimpleName(),
                        cause.getMessage()));
    }

    static GpuCheckException notNoticed() {
        return new GpuCheckException(
                "Rank 1 was stopped, and a collective with it ended well: it was not stopped, or"
                        + " the collective did not wait for it.");
    }

    static GpuCheckException noReport(String part, LaunchReport.Outcome outcome) {
        return new GpuCheckException(
                "The ranks of '"
                        + part
                        + "' have left no report ("
                        + outcome
                        + "); what they printed stands above");
    }
}
