package org.yoloddp.train;

import java.time.Duration;
import org.yoloddp.error.YoloDdpException;

/** A result that was asked for while the training still runs. */
public final class StillRunningException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    StillRunningException(Duration waited) {
        super("the training still runs after " + waited + ". Wait again, or end it with cancel()");
    }
}
