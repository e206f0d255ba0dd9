package org.yoloddp.ddp;

import org.yoloddp.error.YoloDdpException;

/** A parameter was frozen, or made trainable, after its replica was made. */
public final class TrainabilityChangedException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** The first one found. */
    private final String parameter;

    private TrainabilityChangedException(String message, String parameter) {
        super(message);
        this.parameter = parameter;
    }

    static TrainabilityChangedException of(String parameter, boolean trainableAtFirst) {
        return new TrainabilityChangedException(
                "'"
                        + parameter
                        + "' was "
                        + (trainableAtFirst ? "trainable" : "frozen")
                        + " when the replica was made, and is "
                        + (trainableAtFirst ? "frozen" : "trainable")
                        + " now; end this training, and start another one to train other"
                        + " parameters",
                parameter);
    }

    /**
     * Returns the parameter that has changed.
     *
     * @return its name
     */
    public String parameter() {
        return parameter;
    }
}
