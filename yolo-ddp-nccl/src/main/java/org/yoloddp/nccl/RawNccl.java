package org.yoloddp.nccl;

import java.time.Duration;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.MemoryDevice;

/**
 * NCCL called bare on one GPU, as a program in C would: no fingerprints, no watchdog, no abort when
 * another rank fails, one communicator whose calls block until NCCL has taken them. For measuring
 * what {@link NcclProvider}'s communicator adds to that, and for filling, copying and reading a
 * device's memory beside it; no training uses it.
 *
 * <p>Belongs to the thread that opened it, which is on its device.
 */
public final class RawNccl implements AutoCloseable {

    private final NcclLibrary library;
    private final NcclOptions options;
    private final NcclStream stream;
    private final CUstream_st queue;
    private @Nullable NcclComm comm;
    private NcclComm.@Nullable Use use;
    private NcclCall call = NcclCall.of("raw", 0, "connect");

    private RawNccl(NcclLibrary library, NcclOptions options, NcclStream stream) {
        this.library = library;
        this.options = options;
        this.stream = stream;
        this.queue = new CUstream_st(RawPointer.of(stream.handle()));
    }

    /**
     * Makes a stream on a GPU; {@link #connect} comes later, if at all.
     *
     * @param options where NCCL comes from
     * @param device a GPU, such as {@code cuda:0}
     * @return what works on that stream
     * @throws NcclRefusal if the device is no GPU
     * @throws org.yoloddp.natives.NativeLibraryException if there is no NCCL that can be used
     * @throws CudaException if the GPU does not answer
     */
    public static RawNccl open(NcclOptions options, MemoryDevice device) {
        if (!device.type().equals(NcclStream.CUDA)) {
            throw NcclRefusal.hostMemory(device);
        }
        NcclLibrary library = NcclLibrary.load(options);
        return new RawNccl(library, options, NcclStream.create(library.cuda(), device.index()));
    }

    /**
     * Returns the stream that everything here is done in.
     *
     * @return the stream, valid until this is closed
     */
    public ComputeStream stream() {
        return stream;
    }

    /**
     * Makes the id that all ranks connect by.
     *
     * @return 128 bytes
     * @throws NcclException if NCCL fails
     */
    public byte[] uniqueId() {
        return library.nccl().getUniqueId(call);
    }

    /**
     * Connects with the other ranks, which have to call this too. NCCL has no deadline for it.
     *
     * @param id the same on all ranks, made by one of them
     * @param rank this one, from 0
     * @param size how many there are
     * @throws NcclException if NCCL fails
     */
    public void connect(byte[] id, int rank, int size) {
        call = NcclCall.of("raw", rank, "connect");
        NcclComm made =
                library.nccl().commInitRankConfig(call, size, id, rank, options.withBlocking(true));
        comm = made;
        call = NcclCall.of("raw", rank, "allReduce");
        use = made.use(call, NcclFunction.ALL_REDUCE);
    }

    /**
     * Sums over all ranks in place, behind what the stream was given before. Returns when NCCL has
     * taken the call, before the sum is there.
     *
     * @param buffer float32 of this device; all ranks give one length
     * @throws NcclException if NCCL refuses
     */
    public void allReduce(CommBuffer buffer) {
        NcclComm.Use connected = use;
        if (connected == null) {
            throw new IllegalStateException("not connected");
        }
        if (buffer.dtype() != DType.F32) {
            throw new IllegalArgumentException("float32 only, not " + buffer.dtype());
        }
        Pointer memory = RawPointer.of(buffer.address());
        int code =
                nccl.ncclAllReduce(
                        memory,
                        memory,
                        buffer.count(),
                        NcclTypes.of(DType.F32),
                        NcclOp.SUM.code(),
                        connected.handle,
                        queue);
        if (code != 0) {
            throw NcclException.of(
                    call,
                    NcclFunction.ALL_REDUCE.symbol(),
                    code,
                    library.nccl().getErrorString(code),
                    "");
        }
    }

    /**
     * Copies memory of the device or the host, behind what the stream was given before.
     *
     * @param to address
     * @param from address
     * @param bytes how many
     * @throws CudaException if CUDA refuses
     */
    public void copy(long to, long from, long bytes) {
        library.cuda().memcpyAsync(to, from, bytes, stream.handle());
    }

    /**
     * Fills memory of the device with a byte, behind what the stream was given before.
     *
     * @param to address
     * @param value the byte
     * @param bytes how many
     * @throws CudaException if CUDA refuses
     */
    public void fill(long to, int value, long bytes) {
        library.cuda().memsetAsync(to, value, bytes, stream.handle());
    }

    /**
     * Waits, spinning, until the device is through with everything the stream was given.
     *
     * @param what for the message
     * @param deadline how long at most
     * @throws CudaException if the device has failed
     * @throws NcclRefusal if it takes longer
     */
    public void await(String what, Duration deadline) {
        long start = System.nanoTime();
        while (!library.cuda().streamQuery(stream.handle())) {
            if (System.nanoTime() - start > deadline.toNanos()) {
                throw NcclRefusal.streamNotThrough(what, stream.device(), deadline);
            }
            // Spins, but lets others of a busy host do what it may be waiting for.
            Thread.yield();
        }
    }

    /**
     * Tells how much memory of the device is free.
     *
     * @return bytes
     * @throws CudaException if CUDA refuses
     */
    public long freeBytes() {
        return library.cuda().memGetFree();
    }

    /** Frees the stream and the communicator; the latter does not wait for the other ranks. */
    @Override
    public void close() {
        NcclComm.Use connected = use;
        if (connected != null) {
            use = null;
            connected.close();
        }
        NcclComm made = comm;
        if (made != null) {
            comm = null;
            library.nccl().commAbort(call, made);
        }
        stream.close();
    }
}
