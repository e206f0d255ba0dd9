package org.yoloddp.nccl;

/**
 * The functions of NCCL that this module calls, and the version that brought each. A function that
 * the loaded library lacks would end the JVM.
 */
enum NcclFunction {
    GET_VERSION("ncclGetVersion", 0),
    GET_UNIQUE_ID("ncclGetUniqueId", 0),
    GET_ERROR_STRING("ncclGetErrorString", 0),
    COMM_DESTROY("ncclCommDestroy", 0),
    COMM_COUNT("ncclCommCount", 0),
    COMM_CU_DEVICE("ncclCommCuDevice", 0),
    COMM_USER_RANK("ncclCommUserRank", 0),
    REDUCE("ncclReduce", 0),
    ALL_REDUCE("ncclAllReduce", 0),
    ALL_GATHER("ncclAllGather", 0),
    REDUCE_SCATTER("ncclReduceScatter", 0),
    GROUP_START("ncclGroupStart", 0),
    GROUP_END("ncclGroupEnd", 0),
    BROADCAST("ncclBroadcast", 2212),
    COMM_ABORT("ncclCommAbort", 2402),
    COMM_GET_ASYNC_ERROR("ncclCommGetAsyncError", 2402),
    SEND("ncclSend", 2703),
    RECV("ncclRecv", 2703),
    RED_OP_CREATE_PRE_MUL_SUM("ncclRedOpCreatePreMulSum", 21104),
    RED_OP_DESTROY("ncclRedOpDestroy", 21104),
    GET_LAST_ERROR("ncclGetLastError", 21304),
    COMM_INIT_RANK_CONFIG("ncclCommInitRankConfig", 21403),
    COMM_FINALIZE("ncclCommFinalize", 21403),
    COMM_SPLIT("ncclCommSplit", 21801);

    private final String symbol;
    private final int since;

    NcclFunction(String symbol, int since) {
        this.symbol = symbol;
        this.since = since;
    }

    /** Its name in the library. */
    String symbol() {
        return symbol;
    }

    /** The first version that has it, as ncclGetVersion counts; 0 for all. */
    int since() {
        return since;
    }
}
