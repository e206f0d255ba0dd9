package org.yoloddp.nccl;

import java.util.function.IntSupplier;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.BytePointer;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.DType;

/**
 * NCCL's functions, each checked: the only class that calls them, but for {@link RawNccl}.
 *
 * <p>No return code is ignored, no function is called that the loaded version lacks, and a
 * communicator whose handle is gone is never passed on; each of these would end the JVM. What fails
 * throws an {@link NcclException} with NCCL's own words. Functions that may still be under way when
 * they return, on communicators that do not block, say so by {@link NcclResult#IN_PROGRESS}; their
 * failure is told by {@link #commGetAsyncError}.
 *
 * <p>Made by {@link NcclLibrary}, once per JVM. Thread-safe like NCCL: a communicator is used by
 * one thread at a time, but for {@link #commGetAsyncError} and {@link #commAbort}. On each thread
 * the device is set first ({@link Cuda#setDevice}).
 */
final class Nccl {

    /** The size of a unique id in bytes. */
    static final int UNIQUE_ID_BYTES = 128;

    /** A color for {@link #commSplit}: the rank is in none of the new communicators. */
    static final int NO_COLOR = -1;

    private static final int HOST_IMMEDIATE = 1;
    private static final long WAIT_FOR_USERS_MILLIS = 1000;

    private final NcclLibrary library;

    Nccl(NcclLibrary library) {
        this.library = library;
    }

    /** What the library that the binding really calls says it is. */
    int getVersion(NcclCall call) {
        int[] version = new int[1];
        done(call, NcclFunction.GET_VERSION, null, () -> nccl.ncclGetVersion(version));
        return version[0];
    }

    /** The text for a code. */
    String getErrorString(int code) {
        library.require(NcclFunction.GET_ERROR_STRING);
        return text(nccl.ncclGetErrorString(code));
    }

    /** What NCCL said last on this communicator, or in this process if it is null. */
    private String getLastError(@Nullable ncclComm handle) {
        if (!library.has(NcclFunction.GET_LAST_ERROR)) {
            return "";
        }
        return text(nccl.ncclGetLastError(handle));
    }

    private static String text(@Nullable BytePointer text) {
        return text == null || text.isNull() ? "" : text.getString();
    }

    /** Makes the id of a new communicator, for one rank to make and all to use. */
    byte[] getUniqueId(NcclCall call) {
        try (ncclUniqueId id = new ncclUniqueId()) {
            done(call, NcclFunction.GET_UNIQUE_ID, null, () -> nccl.ncclGetUniqueId(id));
            byte[] bytes = new byte[UNIQUE_ID_BYTES];
            new BytePointer(id).get(bytes);
            return bytes;
        }
    }

    /**
     * Begins to make a communicator on the thread's device. It is ready once {@link
     * #commGetAsyncError} says success; until then only that and {@link #commAbort} may be called.
     */
    NcclComm commInitRankConfig(
            NcclCall call, int size, byte[] uniqueId, int rank, NcclOptions options) {
        if (uniqueId.length != UNIQUE_ID_BYTES) {
            throw new IllegalArgumentException("a unique id has 128 bytes, not " + uniqueId.length);
        }
        NcclComm comm = new NcclComm();
        try (ncclUniqueId id = new ncclUniqueId();
                ncclConfig_t config = NcclConfig.of(options, library.version())) {
            new BytePointer(id).put(uniqueId);
            begun(
                    call,
                    NcclFunction.COMM_INIT_RANK_CONFIG,
                    null,
                    () -> nccl.ncclCommInitRankConfig(comm.cell(), size, id, rank, config));
        }
        return comm;
    }

    /**
     * Begins to make communicators of the ranks that give the same color; a collective of the
     * parent. Before anything else the parent has to be ready again, and then the new one.
     *
     * @return the new one; with {@link #NO_COLOR} its handle stays absent
     */
    NcclComm commSplit(NcclCall call, NcclComm parent, int color, int key, NcclOptions options) {
        NcclComm comm = new NcclComm();
        try (ncclConfig_t config = NcclConfig.of(options, library.version())) {
            on(
                    call,
                    NcclFunction.COMM_SPLIT,
                    parent,
                    handle -> nccl.ncclCommSplit(handle, color, key, comm.cell(), config));
        }
        return comm;
    }

    /**
     * Tells how a communicator is: ready, under way, or failed and how. A communicator whose handle
     * has not come yet is under way.
     */
    NcclResult commGetAsyncError(NcclCall call, NcclComm comm) {
        if (!comm.isPresent() && !comm.isFreed()) {
            return NcclResult.IN_PROGRESS;
        }
        int[] state = new int[1];
        on(
                call,
                NcclFunction.COMM_GET_ASYNC_ERROR,
                comm,
                handle -> nccl.ncclCommGetAsyncError(handle, state));
        return NcclResult.of(state[0]);
    }

    /** The exception for what {@link #commGetAsyncError} has told. */
    NcclException failure(NcclCall call, NcclComm comm, NcclResult state) {
        String last = "";
        if (comm.isPresent() && !comm.isFreed()) {
            try (NcclComm.Use use = comm.use(call, NcclFunction.GET_LAST_ERROR)) {
                last = getLastError(use.handle);
            }
        }
        int code = state.ordinal();
        return NcclException.of(call, "a call that had returned", code, getErrorString(code), last);
    }

    /** Begins to flush a communicator before it is destroyed. */
    NcclResult commFinalize(NcclCall call, NcclComm comm) {
        return on(call, NcclFunction.COMM_FINALIZE, comm, nccl::ncclCommFinalize);
    }

    /** Destroys a communicator that is finalized; nobody may use it any more. */
    void commDestroy(NcclCall call, NcclComm comm) {
        ncclComm handle = comm.free(WAIT_FOR_USERS_MILLIS);
        if (handle != null) {
            begun(call, NcclFunction.COMM_DESTROY, null, () -> nccl.ncclCommDestroy(handle));
        }
    }

    /**
     * Stops what a communicator is doing and frees it; does nothing if it is freed already, or was
     * never made. May be called while another thread is inside NCCL.
     */
    void commAbort(NcclCall call, NcclComm comm) {
        ncclComm handle = comm.free(WAIT_FOR_USERS_MILLIS);
        if (handle != null) {
            begun(call, NcclFunction.COMM_ABORT, null, () -> nccl.ncclCommAbort(handle));
        }
    }

    /** The number of ranks. */
    int commCount(NcclCall call, NcclComm comm) {
        return number(call, NcclFunction.COMM_COUNT, comm, nccl::ncclCommCount);
    }

    /** This rank's number. */
    int commUserRank(NcclCall call, NcclComm comm) {
        return number(call, NcclFunction.COMM_USER_RANK, comm, nccl::ncclCommUserRank);
    }

    /** The device that it was made on. */
    int commCuDevice(NcclCall call, NcclComm comm) {
        return number(call, NcclFunction.COMM_CU_DEVICE, comm, nccl::ncclCommCuDevice);
    }

    /** Makes a way to combine: each contribution times this rank's factor, then the sum. */
    NcclOp redOpCreatePreMulSum(NcclCall call, double factor, DType dtype, NcclComm comm) {
        int[] op = new int[1];
        try (BytePointer scalar = new BytePointer(NcclTypes.scalar(factor, dtype))) {
            on(
                    call,
                    NcclFunction.RED_OP_CREATE_PRE_MUL_SUM,
                    comm,
                    handle ->
                            nccl.ncclRedOpCreatePreMulSum(
                                    op, scalar, NcclTypes.of(dtype), HOST_IMMEDIATE, handle));
        }
        return new NcclOp(op[0]);
    }

    /** Frees what {@link #redOpCreatePreMulSum} has made. */
    void redOpDestroy(NcclCall call, NcclOp op, NcclComm comm) {
        on(
                call,
                NcclFunction.RED_OP_DESTROY,
                comm,
                handle -> nccl.ncclRedOpDestroy(op.code(), handle));
    }

    /** Combines on all ranks. */
    NcclResult allReduce(NcclCall call, NcclComm comm, NcclTransfer what, NcclOp op) {
        return on(
                call,
                NcclFunction.ALL_REDUCE,
                comm,
                handle ->
                        nccl.ncclAllReduce(
                                what.from(),
                                what.to(),
                                what.count(),
                                what.type(),
                                op.code(),
                                handle,
                                what.queue()));
    }

    /** Combines on one rank. */
    NcclResult reduce(NcclCall call, NcclComm comm, NcclTransfer what, NcclOp op, int root) {
        return on(
                call,
                NcclFunction.REDUCE,
                comm,
                handle ->
                        nccl.ncclReduce(
                                what.from(),
                                what.to(),
                                what.count(),
                                what.type(),
                                op.code(),
                                root,
                                handle,
                                what.queue()));
    }

    /** Copies from one rank to all. */
    NcclResult broadcast(NcclCall call, NcclComm comm, NcclTransfer what, int root) {
        return on(
                call,
                NcclFunction.BROADCAST,
                comm,
                handle ->
                        nccl.ncclBroadcast(
                                what.from(),
                                what.to(),
                                what.count(),
                                what.type(),
                                root,
                                handle,
                                what.queue()));
    }

    /** Collects shares of one length, which the count is, from all ranks. */
    NcclResult allGather(NcclCall call, NcclComm comm, NcclTransfer what) {
        return on(
                call,
                NcclFunction.ALL_GATHER,
                comm,
                handle ->
                        nccl.ncclAllGather(
                                what.from(),
                                what.to(),
                                what.count(),
                                what.type(),
                                handle,
                                what.queue()));
    }

    /** Combines, and leaves each rank a share of one length, which the count is. */
    NcclResult reduceScatter(NcclCall call, NcclComm comm, NcclTransfer what, NcclOp op) {
        return on(
                call,
                NcclFunction.REDUCE_SCATTER,
                comm,
                handle ->
                        nccl.ncclReduceScatter(
                                what.from(),
                                what.to(),
                                what.count(),
                                what.type(),
                                op.code(),
                                handle,
                                what.queue()));
    }

    /** Sends to one rank, which receives. */
    NcclResult send(NcclCall call, NcclComm comm, NcclTransfer what, int peer) {
        return on(
                call,
                NcclFunction.SEND,
                comm,
                handle ->
                        nccl.ncclSend(
                                what.from(),
                                what.count(),
                                what.type(),
                                peer,
                                handle,
                                what.queue()));
    }

    /** Receives from one rank, which sends. */
    NcclResult recv(NcclCall call, NcclComm comm, NcclTransfer what, int peer) {
        return on(
                call,
                NcclFunction.RECV,
                comm,
                handle ->
                        nccl.ncclRecv(
                                what.to(), what.count(), what.type(), peer, handle, what.queue()));
    }

    /** Begins a group of calls of this thread, which start together. */
    void groupStart(NcclCall call) {
        done(call, NcclFunction.GROUP_START, null, nccl::ncclGroupStart);
    }

    /** Ends it, and starts them. */
    NcclResult groupEnd(NcclCall call) {
        return begun(call, NcclFunction.GROUP_END, null, nccl::ncclGroupEnd);
    }

    private interface OnComm {
        int call(ncclComm handle);
    }

    private interface Ask {
        int call(ncclComm handle, int[] value);
    }

    private int number(NcclCall call, NcclFunction function, NcclComm comm, Ask ask) {
        int[] value = new int[1];
        on(call, function, comm, handle -> ask.call(handle, value));
        return value[0];
    }

    private NcclResult on(NcclCall call, NcclFunction function, NcclComm comm, OnComm body) {
        library.require(function);
        try (NcclComm.Use use = comm.use(call, function)) {
            return begun(call, function, use.handle, () -> body.call(use.handle));
        }
    }

    /** A call that is through when it returns. */
    private void done(
            NcclCall call, NcclFunction function, @Nullable ncclComm handle, IntSupplier body) {
        if (begun(call, function, handle, body) != NcclResult.SUCCESS) {
            throw failed(call, function, handle, NcclResult.IN_PROGRESS.ordinal());
        }
    }

    private NcclResult begun(
            NcclCall call, NcclFunction function, @Nullable ncclComm handle, IntSupplier body) {
        library.require(function);
        int code = body.getAsInt();
        NcclResult result = NcclResult.of(code);
        if (result.isFailure()) {
            throw failed(call, function, handle, code);
        }
        return result;
    }

    private NcclException failed(
            NcclCall call, NcclFunction function, @Nullable ncclComm handle, int code) {
        return NcclException.of(
                call, function.symbol(), code, getErrorString(code), getLastError(handle));
    }
}
