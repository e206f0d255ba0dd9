package org.yoloddp.amp;

import ai.djl.Device;
import org.yoloddp.error.YoloDdpException;

/** A precision that the device or a layer cannot compute in. */
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
                        + "; use Precision.float32() there, or train on the CPU or a CUDA GPU");
    }

    static UnsupportedPrecisionException of(String path, String layer) {
        return new UnsupportedPrecisionException(
                "the layer '"
                        + path
                        + "' is a "
                        + layer
                        + " of DJL, which creates arrays of its input's type, and DJL can't create"
                        + " bfloat16 ones; use Precision.float16() or Precision.float32()");
    }
}
