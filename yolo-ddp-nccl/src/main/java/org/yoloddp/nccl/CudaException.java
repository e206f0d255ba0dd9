package org.yoloddp.nccl;

import org.yoloddp.error.YoloDdpException;

/** A call of CUDA's runtime failed. */
public final class CudaException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private final transient String function;
    private final transient int code;

    private CudaException(String message, String function, int code) {
        super(message);
        this.function = function;
        this.code = code;
    }

    /** The one place where its message is made. */
    static CudaException of(String function, String what, int code, String name, String text) {
        return new CudaException(
                function
                        + " failed, to "
                        + what
                        + ": "
                        + text
                        + " ("
                        + name
                        + ", "
                        + code
                        + "). An earlier kernel may have caused it; run again with"
                        + " CUDA_LAUNCH_BLOCKING=1 to see which, and look at 'yolo-ddp doctor'.",
                function,
                code);
    }

    /**
     * Returns the function of CUDA that failed.
     *
     * @return its name
     */
    public String function() {
        return function;
    }

    /**
     * Returns CUDA's code for the failure.
     *
     * @return a value of cudaError_t
     */
    public int code() {
        return code;
    }
}
