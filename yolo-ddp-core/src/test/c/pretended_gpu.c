/*
 * Pretends GPUs to libtorch where there are none, at the boundary of CUDA's runtime and of cuBLAS: preloaded, it answers
 * before the real libraries. "Device" memory is the host's, copies copy, kernels and matrix products do nothing.
 *
 * So it shows that tensors of one operation are on one device, which streams and events are used by which thread, and that
 * nothing throws; never that a number is right, nor that an order holds. PRETENDED_GPUS tells how many there are.
 *
 * Built with the headers of the pip package nvidia-cuda-runtime-cu12, for the layout of cudaDeviceProp.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What the headers take from those of the compiler nvcc, which the package lacks. */
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
#define __builtin_align__(n) __attribute__((aligned(n)))
#define CUDARTAPI
#define __host__
#define __device__
#define __align__(n) __attribute__((aligned(n)))
#define __location__(a)
#include <driver_types.h>

static __thread int current = 0;

static void *block(size_t bytes) {
    size_t rounded = (bytes + 511) / 512 * 512 + 512;
    void *memory = aligned_alloc(512, rounded);
    if (memory) {
        memset(memory, 0, rounded);
    }
    return memory;
}

/* Devices. */
int cudaGetDeviceCount(int *count) {
    const char *wanted = getenv("PRETENDED_GPUS");
    *count = wanted ? atoi(wanted) : 1;
    return 0;
}
int cudaGetDevice(int *device) { *device = current; return 0; }
int cudaSetDevice(int device) { current = device; return 0; }
int cudaDriverGetVersion(int *version) { *version = 12080; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 12060; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) { *value = 1; return 0; }
int cudaDeviceCanAccessPeer(int *can, int device, int peer) { *can = 0; return 0; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return 0; }
int cudaDeviceSynchronize(void) { return 0; }
int cudaGetLastError(void) { return 0; }
int cudaPeekAtLastError(void) { return 0; }
int cudaGetDeviceProperties_v2(struct cudaDeviceProp *p, int device) {
    memset(p, 0, sizeof *p);
    strcpy(p->name, "pretended");
    p->totalGlobalMem = 8ull << 30;
    p->major = 9;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 2147483647;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->multiProcessorCount = 132;
    p->maxThreadsPerMultiProcessor = 2048;
    p->sharedMemPerBlock = 49152;
    p->regsPerBlock = 65536;
    p->unifiedAddressing = 1;
    return 0;
}
int cudaMemGetInfo(size_t *available, size_t *total) { *available = 7ull << 30; *total = 8ull << 30; return 0; }

/* Memory. */
int cudaMalloc(void **p, size_t bytes) { *p = block(bytes); return *p ? 0 : 2; }
int cudaFree(void *p) { free(p); return 0; }
int cudaHostAlloc(void **p, size_t bytes, unsigned flags) { return cudaMalloc(p, bytes); }
int cudaMallocHost(void **p, size_t bytes) { return cudaMalloc(p, bytes); }
int cudaFreeHost(void *p) { free(p); return 0; }
int cudaMemset(void *p, int value, size_t bytes) { memset(p, value, bytes); return 0; }
int cudaMemsetAsync(void *p, int value, size_t bytes, void *stream) { return cudaMemset(p, value, bytes); }
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) { memcpy(to, from, bytes); return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
    return cudaMemcpy(to, from, bytes, kind);
}
int cudaMemcpyPeerAsync(void *to, int toDevice, const void *from, int fromDevice, size_t bytes, void *stream) {
    return cudaMemcpy(to, from, bytes, 0);
}
int cudaMemcpy2DAsync(void *to, size_t toPitch, const void *from, size_t fromPitch, size_t width, size_t height, int kind,
                      void *stream) {
    for (size_t row = 0; row < height; row++) {
        memcpy((char *) to + row * toPitch, (const char *) from + row * fromPitch, width);
    }
    return 0;
}
int cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
    memset(a, 0, sizeof *a);
    a->type = cudaMemoryTypeDevice;
    a->device = current;
    return 0;
}

/* Streams and events: all is done at once. */
int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = calloc(1, 64); return 0; }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { *stream = calloc(1, 64); return 0; }
int cudaStreamGetPriority(void *stream, int *priority) { *priority = 0; return 0; }
int cudaStreamQuery(void *stream) { return 0; }
int cudaStreamSynchronize(void *stream) { return 0; }
int cudaStreamWaitEvent(void *stream, void *event, unsigned flags) { return event ? 0 : 1; }
int cudaStreamIsCapturing(void *stream, int *status) { *status = 0; return 0; }
int cudaStreamGetCaptureInfo_v2(void *stream, int *status, void *id, void *graph, void *dependencies, void *count) {
    *status = 0;
    return 0;
}
int cudaThreadExchangeStreamCaptureMode(int *mode) { return 0; }
int cudaEventCreateWithFlags(void **event, unsigned flags) { *event = calloc(1, 64); return 0; }
int cudaEventRecord(void *event, void *stream) { return event ? 0 : 1; }
int cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) { return event ? 0 : 1; }
int cudaEventQuery(void *event) { return event ? 0 : 1; }
int cudaEventSynchronize(void *event) { return event ? 0 : 1; }
int cudaEventDestroy(void *event) { free(event); return 0; }

/* Kernels: none runs. */
int cudaLaunchKernel(const void *kernel, struct { unsigned x, y, z; } grid, struct { unsigned x, y, z; } threads, void **arguments,
                     size_t shared, void *stream) {
    return 0;
}
int cudaLaunchKernelExC(const void *config, const void *kernel, void **arguments) { return 0; }
int cudaFuncSetAttribute(const void *kernel, int attribute, int value) { return 0; }
int cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *kernel) {
    memset(a, 0, sizeof *a);
    a->maxThreadsPerBlock = 1024;
    a->ptxVersion = 90;
    a->binaryVersion = 90;
    return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int size, size_t shared) {
    *blocks = 4;
    return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *kernel, int size, size_t shared,
                                                           unsigned flags) {
    *blocks = 4;
    return 0;
}

/* cuBLAS: handles are blocks, products do nothing. */
#define HANDLE(name) int name(void **handle) { *handle = calloc(1, 256); return 0; }
#define NOTHING(name) int name(void) { return 0; }
HANDLE(cublasCreate_v2)
HANDLE(cublasLtMatmulDescCreate)
HANDLE(cublasLtMatrixLayoutCreate)
HANDLE(cublasLtMatmulPreferenceCreate)
int cublasGetMathMode(void *handle, int *mode) { *mode = 0; return 0; }
int cublasGetPointerMode_v2(void *handle, int *mode) { *mode = 0; return 0; }
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *product, void *a, void *b, void *c, void *d, void *preference, int wanted,
                                   void *results, int *found) {
    *found = 1;
    return 0;
}
NOTHING(cublasDestroy_v2) NOTHING(cublasSetMathMode) NOTHING(cublasSetPointerMode_v2) NOTHING(cublasSetStream_v2)
NOTHING(cublasSetWorkspace_v2) NOTHING(cublasLtMatmul) NOTHING(cublasLtMatmulDescDestroy)
NOTHING(cublasLtMatmulDescSetAttribute) NOTHING(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute) NOTHING(cublasLtMatrixLayoutDestroy)
NOTHING(cublasLtMatrixLayoutSetAttribute) NOTHING(cublasGemmEx) NOTHING(cublasGemmStridedBatchedEx) NOTHING(cublasDotEx)
NOTHING(cublasSgemmEx) NOTHING(cublasSgemm_v2) NOTHING(cublasDgemm_v2) NOTHING(cublasSgemmStridedBatched)
NOTHING(cublasDgemmStridedBatched) NOTHING(cublasSgemv_v2) NOTHING(cublasDgemv_v2) NOTHING(cublasSdot_v2)
NOTHING(cublasDdot_v2)

/* The driver, of which libtorch's compiler at run time looks up these when it is loaded. */
NOTHING(cuCtxGetCurrent) NOTHING(cuCtxSetCurrent) NOTHING(cuDevicePrimaryCtxRetain) NOTHING(cuFuncGetAttribute)
NOTHING(cuFuncSetAttribute) NOTHING(cuGetErrorString) NOTHING(cuLaunchCooperativeKernel) NOTHING(cuLaunchKernel)
NOTHING(cuLinkAddData_v2) NOTHING(cuLinkComplete) NOTHING(cuLinkCreate_v2) NOTHING(cuModuleGetFunction)
NOTHING(cuModuleLoadData) NOTHING(cuModuleLoadDataEx) NOTHING(cuModuleUnload)
NOTHING(cuOccupancyMaxActiveBlocksPerMultiprocessor) NOTHING(cuTensorMapEncodeTiled)
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }
