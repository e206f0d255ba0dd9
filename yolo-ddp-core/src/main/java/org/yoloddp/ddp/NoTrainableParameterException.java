package org.yoloddp.ddp;

import org.yoloddp.error.YoloDdpException;

/** The block has nothing to train. */
public final class NoTrainableParameterException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private NoTrainableParameterException(String message) {
        super(message);
    }

    static NoTrainableParameterException of(int parameters) {
        return new NoTrainableParameterException(
                parameters == 0
                        ? "the block has no parameters; is it initialised?"
                        : "all "
                                + parameters
                                + " parameters of the block are frozen; leave at least one"
                                + " trainable");
    }
}
