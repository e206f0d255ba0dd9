/*
 * The yolo-ddp stub of libcuda.so.1, the library of a CUDA driver. It holds the functions that libtorch's
 * libcaffe2_nvrtc.so needs to load; each says CUDA_ERROR_STUB_LIBRARY. It proves that libraries load where no driver is
 * and that a stub is told from a driver; nothing can be computed with it.
 */

enum { CUDA_ERROR_STUB_LIBRARY = 34 };

#define STUB(name) \
    int name(void); \
    int name(void) { return CUDA_ERROR_STUB_LIBRARY; }

STUB(cuInit)
STUB(cuDriverGetVersion)
STUB(cuDeviceGetCount)
STUB(cuCtxGetCurrent)
STUB(cuCtxSetCurrent)
STUB(cuDevicePrimaryCtxGetState)
STUB(cuDevicePrimaryCtxRetain)
STUB(cuFuncGetAttribute)
STUB(cuFuncSetAttribute)
STUB(cuGetErrorString)
STUB(cuLaunchCooperativeKernel)
STUB(cuLaunchKernel)
STUB(cuLinkAddData_v2)
STUB(cuLinkComplete)
STUB(cuLinkCreate_v2)
STUB(cuModuleGetFunction)
STUB(cuModuleLoadData)
STUB(cuModuleLoadDataEx)
STUB(cuModuleUnload)
STUB(cuOccupancyMaxActiveBlocksPerMultiprocessor)
STUB(cuTensorMapEncodeTiled)
