package org.yoloddp.nccl;

/** The functions of CUDA's runtime that this module calls; CUDA 12 and 13 have them all. */
enum CudaFunction {
    RUNTIME_GET_VERSION("cudaRuntimeGetVersion"),
    DRIVER_GET_VERSION("cudaDriverGetVersion"),
    GET_ERROR_NAME("cudaGetErrorName"),
    GET_ERROR_STRING("cudaGetErrorString"),
    GET_DEVICE_COUNT("cudaGetDeviceCount"),
    GET_DEVICE("cudaGetDevice"),
    SET_DEVICE("cudaSetDevice"),
    DEVICE_GET_PCI_BUS_ID("cudaDeviceGetPCIBusId"),
    DEVICE_CAN_ACCESS_PEER("cudaDeviceCanAccessPeer"),
    STREAM_CREATE_WITH_FLAGS("cudaStreamCreateWithFlags"),
    STREAM_WAIT_EVENT("cudaStreamWaitEvent"),
    STREAM_QUERY("cudaStreamQuery"),
    STREAM_DESTROY("cudaStreamDestroy"),
    EVENT_CREATE_WITH_FLAGS("cudaEventCreateWithFlags"),
    EVENT_RECORD("cudaEventRecord"),
    EVENT_QUERY("cudaEventQuery"),
    EVENT_DESTROY("cudaEventDestroy"),
    MEM_GET_INFO("cudaMemGetInfo"),
    MALLOC("cudaMalloc"),
    FREE("cudaFree"),
    MEMSET_ASYNC("cudaMemsetAsync"),
    MEMCPY_ASYNC("cudaMemcpyAsync");

    private final String symbol;

    CudaFunction(String symbol) {
        this.symbol = symbol;
    }

    /** Its name in the library. */
    String symbol() {
        return symbol;
    }
}
