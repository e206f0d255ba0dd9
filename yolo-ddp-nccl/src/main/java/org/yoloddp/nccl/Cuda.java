package org.yoloddp.nccl;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.jspecify.annotations.Nullable;

/**
 * The functions of CUDA's runtime, each checked: the only class that calls them. What fails throws
 * a {@link CudaException}.
 *
 * <p>Streams, events and memory are handles of CUDA; 0 is the null stream. Made by {@link
 * NcclLibrary}, once per JVM. Thread-safe; but most functions work on the device of the calling
 * thread, so a thread calls {@link #setDevice} first.
 */
final class Cuda {

    private static final int SUCCESS = 0;
    private static final int NON_BLOCKING = 1;
    private static final int NO_TIMING = 2;
    private static final int ANY_DIRECTION = 4;
    private static final int NOT_READY = 600;
    private static final int BUS_ID_BYTES = 32;

    /** Made by {@link NcclLibrary} alone, once the functions are known to be there. */
    Cuda() {}

    /** The runtime's version, such as 12060. */
    int runtimeGetVersion() {
        int[] version = new int[1];
        check(
                CudaFunction.RUNTIME_GET_VERSION,
                "learn its version",
                cudart.cudaRuntimeGetVersion(version));
        return version[0];
    }

    /** The newest version of CUDA that the driver is for; 0 if there is no driver. */
    int driverGetVersion() {
        int[] version = new int[1];
        check(
                CudaFunction.DRIVER_GET_VERSION,
                "learn the driver's version",
                cudart.cudaDriverGetVersion(version));
        return version[0];
    }

    /** The number of devices that this process sees. */
    int getDeviceCount() {
        int[] count = new int[1];
        check(CudaFunction.GET_DEVICE_COUNT, "count the devices", cudart.cudaGetDeviceCount(count));
        return count[0];
    }

    /** Makes a device the calling thread's. */
    void setDevice(int device) {
        check(CudaFunction.SET_DEVICE, "work on device " + device, cudart.cudaSetDevice(device));
    }

    /** The calling thread's device. */
    int getDevice() {
        int[] device = new int[1];
        check(CudaFunction.GET_DEVICE, "learn the thread's device", cudart.cudaGetDevice(device));
        return device[0];
    }

    /** What tells a device from all others of its host, also if processes number them otherwise. */
    String deviceGetPciBusId(int device) {
        byte[] id = new byte[BUS_ID_BYTES];
        check(
                CudaFunction.DEVICE_GET_PCI_BUS_ID,
                "learn where device " + device + " is",
                cudart.cudaDeviceGetPCIBusId(id, id.length, device));
        int end = 0;
        while (end < id.length && id[end] != 0) {
            end++;
        }
        return new String(id, 0, end, StandardCharsets.US_ASCII).toLowerCase(Locale.ROOT);
    }

    /** Whether a device reaches another one's memory without the host. */
    boolean deviceCanAccessPeer(int device, int peer) {
        int[] can = new int[1];
        check(
                CudaFunction.DEVICE_CAN_ACCESS_PEER,
                "learn whether device " + device + " reaches device " + peer,
                cudart.cudaDeviceCanAccessPeer(can, device, peer));
        return can[0] != 0;
    }

    /** Makes a stream of the thread's device that does not wait for the null stream. */
    long streamCreate() {
        CUstream_st stream = new CUstream_st();
        check(
                CudaFunction.STREAM_CREATE_WITH_FLAGS,
                "make a stream",
                cudart.cudaStreamCreateWithFlags(stream, NON_BLOCKING));
        return stream.address();
    }

    /** Lets what comes later in a stream wait for an event; the host does not wait. */
    void streamWaitEvent(long stream, long event) {
        check(
                CudaFunction.STREAM_WAIT_EVENT,
                "let a stream wait",
                cudart.cudaStreamWaitEvent(queue(stream), event(event), 0));
    }

    /** Whether all work of a stream is done. */
    boolean streamQuery(long stream) {
        return ready(
                CudaFunction.STREAM_QUERY,
                "look at a stream",
                cudart.cudaStreamQuery(queue(stream)));
    }

    /** Frees a stream once its work is done. */
    void streamDestroy(long stream) {
        check(
                CudaFunction.STREAM_DESTROY,
                "free a stream",
                cudart.cudaStreamDestroy(queue(stream)));
    }

    /** Makes an event of the thread's device, without a time. */
    long eventCreate() {
        CUevent_st event = new CUevent_st();
        check(
                CudaFunction.EVENT_CREATE_WITH_FLAGS,
                "make an event",
                cudart.cudaEventCreateWithFlags(event, NO_TIMING));
        return event.address();
    }

    /** Puts an event behind everything that a stream has been given so far. */
    void eventRecord(long event, long stream) {
        check(
                CudaFunction.EVENT_RECORD,
                "put an event into a stream",
                cudart.cudaEventRecord(event(event), queue(stream)));
    }

    /** Whether a stream has passed an event. */
    boolean eventQuery(long event) {
        return ready(
                CudaFunction.EVENT_QUERY, "look at an event", cudart.cudaEventQuery(event(event)));
    }

    /** Frees an event. */
    void eventDestroy(long event) {
        check(CudaFunction.EVENT_DESTROY, "free an event", cudart.cudaEventDestroy(event(event)));
    }

    /** The free memory of the thread's device in bytes. */
    long memGetFree() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check(
                    CudaFunction.MEM_GET_INFO,
                    "learn how much memory is free",
                    cudart.cudaMemGetInfo(free, total));
            return free.get();
        }
    }

    /** Allocates memory of the thread's device. */
    long malloc(long bytes) {
        try (LongPointer cell = new LongPointer(1)) {
            cell.put(0, 0);
            check(
                    CudaFunction.MALLOC,
                    "allocate " + bytes + " bytes",
                    cudart.cudaMalloc(new PointerPointer<>(cell), bytes));
            return cell.get(0);
        }
    }

    /** Frees memory of a device; waits for what the device is doing. */
    void free(long address) {
        check(CudaFunction.FREE, "free memory", cudart.cudaFree(RawPointer.of(address)));
    }

    /** Fills memory of a device with a byte, in a stream. */
    void memsetAsync(long address, int value, long bytes, long stream) {
        check(
                CudaFunction.MEMSET_ASYNC,
                "fill " + bytes + " bytes",
                cudart.cudaMemsetAsync(RawPointer.of(address), value, bytes, queue(stream)));
    }

    /** Copies memory, of the host or of a device, in a stream; what is not pinned is staged. */
    void memcpyAsync(long to, long from, long bytes, long stream) {
        check(
                CudaFunction.MEMCPY_ASYNC,
                "copy " + bytes + " bytes",
                cudart.cudaMemcpyAsync(
                        RawPointer.of(to),
                        RawPointer.of(from),
                        bytes,
                        ANY_DIRECTION,
                        queue(stream)));
    }

    private static void check(CudaFunction function, String what, int code) {
        if (code != SUCCESS) {
            throw CudaException.of(
                    function.symbol(),
                    what,
                    code,
                    text(cudart.cudaGetErrorName(code)),
                    text(cudart.cudaGetErrorString(code)));
        }
    }

    private static boolean ready(CudaFunction function, String what, int code) {
        if (code == NOT_READY) {
            return false;
        }
        check(function, what, code);
        return true;
    }

    private static String text(@Nullable BytePointer text) {
        return text == null || text.isNull() ? "" : text.getString();
    }

    private static CUstream_st queue(long stream) {
        return new CUstream_st(RawPointer.of(stream));
    }

    private static CUevent_st event(long event) {
        return new CUevent_st(RawPointer.of(event));
    }
}
