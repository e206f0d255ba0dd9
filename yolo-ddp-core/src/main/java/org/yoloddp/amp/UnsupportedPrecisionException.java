package org.yoloddp.amp;

import ai.djl.Device;
import org.yoloddp.error.YoloDdpException;

/** A precision that the device cannot compute in. */
public final class UnsupportedPrecisionException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnsupportedPrecisionException(String message) {
        super(message);
    }

    static UnsupportedPrecisionException of(Precision precision, Device device) {
        return new UnsupportedPrecisionException(
                "precision "
                        + precision
                        + " is not supported on "
                        + device
                        + "; use Precision.float32() there, or train on the CPU");
    }
}
