package org.yoloddp.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.error.YoloDdpException;

/** An operation of the bridge was given arrays that it cannot work on, or libtorch refused it. */
public class TorchException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    TorchException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static TorchException notTorch(NDArray array) {
        return new TorchException(
                "an array of "
                        + array.getClass().getSimpleName()
                        + " is none of DJL's PyTorch engine; create it by a manager of that engine",
                null);
    }

    static TorchException unsupportedType(DataType type) {
        return new TorchException("arrays of type " + type + " are not supported here", null);
    }

    static TorchException backward(Throwable cause) {
        return new TorchException(
                "backward failed: "
                        + reason(cause)
                        + " (is gradient mode on in the forward, and does the loss depend on a"
                        + " parameter that requires a gradient?)",
                cause);
    }

    static TorchException operator(String name, Throwable cause) {
        return new TorchException("libtorch's " + name + " failed: " + reason(cause), cause);
    }

    static TorchException wrongThread(String scope, Thread opened) {
        return new TorchException(
                scope
                        + " was opened by thread "
                        + opened.getName()
                        + " and must be closed by it, not by "
                        + Thread.currentThread().getName(),
                null);
    }

    static TorchException noGradient(int index, Shape shape) {
        return new TorchException(
                "parameter " + index + " of the list, of shape " + shape + ", has no gradient",
                null);
    }

    static TorchException sizesDiffer(String what, long one, String other, long two) {
        return new TorchException(
                what + " has " + one + " tensors and " + other + " has " + two, null);
    }

    static TorchException outside(String what, Shape shape, long offset, long available) {
        return new TorchException(
                what
                        + " of shape "
                        + shape
                        + " at offset "
                        + offset
                        + " does not fit into a flat array of "
                        + available
                        + " elements",
                null);
    }

    static TorchException matrixOutside(long rows, long columns, long offset, long available) {
        return new TorchException(
                "a matrix of "
                        + rows
                        + " x "
                        + columns
                        + " at offset "
                        + offset
                        + " does not fit into a flat array of "
                        + available
                        + " elements",
                null);
    }

    static TorchException notMultipliable(long[] a, long[] b, long[] result) {
        return new TorchException(
                "matrices of shapes "
                        + Arrays.toString(a)
                        + " and "
                        + Arrays.toString(b)
                        + " have no product of shape "
                        + Arrays.toString(result),
                null);
    }

    static TorchException otherDjl(Throwable cause) {
        return new TorchException(
                "this version of DJL keeps its arrays elsewhere than 0.35.1; use that one", cause);
    }

    static TorchException noSuchEntry(String name) {
        return new TorchException("the state dict has no entry " + name, null);
    }

    static TorchException shapesDiffer(String name, Shape from, Shape to) {
        return new TorchException(
                "entry " + name + " has shape " + from + " on one side and " + to + " on the other",
                null);
    }

    static TorchException duplicateEntry(String name) {
        return new TorchException("the state dict has two entries " + name, null);
    }

    static TorchException noAutocastType(DataType type) {
        return new TorchException(
                "autocast to " + type + " makes no sense; use bfloat16 or float16", null);
    }

    static TorchException missingSymbol(String name, Throwable cause) {
        return new TorchException(
                "this libtorch does not export " + name + ", which autocast needs", cause);
    }

    static TorchException noSuchDevice(MemoryDevice device, boolean cuda) {
        return new TorchException(
                "this libtorch has no device "
                        + device
                        + (cuda
                                ? ": it is built for the CPU and CUDA"
                                : ": it is built for the CPU only; set -Dyoloddp.libtorch=path:"
                                        + "/folder to a CUDA build, or compute on the CPU"),
                null);
    }

    static TorchException deviceLate(MemoryDevice device, Duration deadline) {
        return new TorchException(
                "device "
                        + device
                        + " has not computed within "
                        + deadline
                        + " what was asked of it; a rank may be waiting for another one there",
                null);
    }

    static TorchException device(MemoryDevice device, Throwable cause) {
        return new TorchException("device " + device + " failed: " + reason(cause), cause);
    }

    /** What libtorch says, without the frames of C++ that it appends. */
    private static String reason(Throwable cause) {
        String message = String.valueOf(cause.getMessage());
        int frames = message.indexOf("\nException raised from ");
        return frames < 0 ? message : message.substring(0, frames);
    }
}
