package org.yoloddp.train;

import org.yoloddp.error.YoloDdpException;

/** A second training in a JVM that already runs one. */
public final class TrainerBusyException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public TrainerBusyException() {
        super(
                "this JVM already runs a training, and torch's random numbers and thread counts"
                        + " are global to it. Wait for that training to end, or start this one in a"
                        + " process of its own");
    }
}
