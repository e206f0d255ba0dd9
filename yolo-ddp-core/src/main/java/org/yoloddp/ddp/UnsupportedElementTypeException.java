package org.yoloddp.ddp;

import ai.djl.ndarray.types.DataType;
import org.yoloddp.error.YoloDdpException;

/** A parameter or buffer whose element type cannot be exchanged between ranks. */
public final class UnsupportedElementTypeException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnsupportedElementTypeException(String message) {
        super(message);
    }

    static UnsupportedElementTypeException of(String name, DataType type) {
        return new UnsupportedElementTypeException(
                "'"
                        + name
                        + "' has elements of type "
                        + type
                        + ", which ranks cannot exchange; use float16, float32, float64, int32,"
                        + " int64, int8, uint8 or boolean");
    }
}
