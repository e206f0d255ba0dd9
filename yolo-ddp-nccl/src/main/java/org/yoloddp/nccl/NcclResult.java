package org.yoloddp.nccl;

/** What NCCL's functions return. */
enum NcclResult {
    SUCCESS("ncclSuccess", ""),
    UNHANDLED_CUDA_ERROR(
            "ncclUnhandledCudaError",
            "A call of CUDA failed: look for an earlier error of this rank, and whether driver and"
                    + " CUDA fit together ('yolo-ddp doctor')"),
    SYSTEM_ERROR(
            "ncclSystemError",
            "The system refused memory, a socket or a file: look at the limits of this process,"
                    + " /dev/shm, and NCCL_SOCKET_IFNAME"),
    INTERNAL_ERROR(
            "ncclInternalError",
            "NCCL broke, or memory was overwritten: run again with NCCL_DEBUG=INFO"),
    INVALID_ARGUMENT(
            "ncclInvalidArgument", "An argument was wrong: run again with NCCL_DEBUG=WARN"),
    INVALID_USAGE(
            "ncclInvalidUsage",
            "NCCL does not allow this, such as two ranks on one GPU: run again with"
                    + " NCCL_DEBUG=WARN"),
    REMOTE_ERROR(
            "ncclRemoteError",
            "Another rank died or the network failed: look at the errors of the other ranks"),
    IN_PROGRESS("ncclInProgress", "");

    private final String symbol;
    private final String advice;

    NcclResult(String symbol, String advice) {
        this.symbol = symbol;
        this.advice = advice;
    }

    /** Its name in nccl.h. */
    String symbol() {
        return symbol;
    }

    /** What to do about it; empty if it is no failure. */
    String advice() {
        return advice;
    }

    /** Whether it stands for a failure. */
    boolean isFailure() {
        return this != SUCCESS && this != IN_PROGRESS;
    }

    /** A code that a newer NCCL may have brought counts as an internal error. */
    static NcclResult of(int code) {
        NcclResult[] all = values();
        return code >= 0 && code < all.length ? all[code] : INTERNAL_ERROR;
    }
}
