package org.yoloddp.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import org.yoloddp.error.YoloDdpException;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TorchOps;

/**
 * Arrays of an element type that can't be trained with. DJL knows no bfloat16 and ends the JVM when
 * it is to create such an array, so that they are refused wherever they come in.
 */
public final class UnsupportedDataTypeException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private UnsupportedDataTypeException(String message) {
        super(message);
    }

    private static UnsupportedDataTypeException unknown(String what, DataType type) {
        return new UnsupportedDataTypeException(
                what
                        + " is "
                        + name(type)
                        + ", which DJL can't work with: cast it, as by TorchOps.toFloat32(array)");
    }

    private static UnsupportedDataTypeException parameter(String name, DataType type) {
        return new UnsupportedDataTypeException(
                "the parameter '"
                        + name
                        + "' is "
                        + name(type)
                        + ", but parameters have to be float32 or float64, or small steps would be"
                        + " lost: initialise the block with DataType.FLOAT32, and to compute faster"
                        + " use mixed precision, optAmp(true)");
    }

    private static String name(DataType type) {
        return type == DataType.UNKNOWN ? "of a type unknown to DJL" : type.toString();
    }

    /** Refuses arrays that DJL doesn't know; {@code what} is followed by their index. */
    static NDList requireKnown(String what, NDList arrays) {
        for (int i = 0; i < arrays.size(); i++) {
            requireKnown(what + " " + i, arrays.get(i));
        }
        return arrays;
    }

    static NDArray requireKnown(String what, NDArray array) {
        if (array.getDataType() == DataType.UNKNOWN) {
            throw unknown(what, TorchOps.dataType(array));
        }
        return array;
    }

    /** Refuses parameters that an optimizer can't update well, and arrays that DJL doesn't know. */
    static void check(StateDict state) {
        for (StateDict.Entry entry : state.entries()) {
            DataType type = TorchOps.dataType(entry.array());
            boolean exact = type == DataType.FLOAT32 || type == DataType.FLOAT64;
            if (entry.array().getDataType() == DataType.UNKNOWN || type.isFloating() && !exact) {
                throw parameter(entry.name(), type);
            }
        }
    }
}
