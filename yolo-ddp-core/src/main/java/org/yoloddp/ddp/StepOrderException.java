package org.yoloddp.ddp;

import org.yoloddp.error.YoloDdpException;

/** The calls of a step came in an order in which gradients would change while others read them. */
public final class StepOrderException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private StepOrderException(String message) {
        super(message);
    }

    static StepOrderException secondBackward(String parameter) {
        return new StepOrderException(
                "backward has computed a gradient of '"
                        + parameter
                        + "' twice after armReduction, though the first may be on its way to other"
                        + " ranks; call armReduction before the last backward of a step only");
    }

    static StepOrderException stillRunning(String call, int buckets) {
        return new StepOrderException(
                call
                        + " was called while "
                        + buckets
                        + (buckets == 1 ? " bucket was" : " buckets were")
                        + " being reduced; after armReduction and backward call reduceGradients");
    }

    static StepOrderException closedWhileRunning(int rank, int buckets) {
        return new StepOrderException(
                "the replica of rank "
                        + rank
                        + " was closed while "
                        + buckets
                        + (buckets == 1 ? " bucket was" : " buckets were")
                        + " being reduced");
    }
}
