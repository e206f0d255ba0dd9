package org.yoloddp.train;

import org.yoloddp.error.YoloDdpException;

/** Use of a trainer after its close. */
public final class TrainerClosedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /**
     * Creates the exception.
     *
     * @param call what was called
     */
    public TrainerClosedException(String call) {
        super(
                call
                        + " was called on a closed DistributedTrainer, whose weights are freed."
                        + " Call it before close(), or keep a copy made by copyInto or newModel");
    }
}
