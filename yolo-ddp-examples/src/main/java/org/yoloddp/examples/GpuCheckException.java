package org.yoloddp.examples;

import java.util.Locale;
import org.yoloddp.error.YoloDdpException;

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
}
