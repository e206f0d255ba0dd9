package org.yoloddp.nccl;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.yoloddp.comm.DType;

/** Two ranks, each on a device of its own, that call NCCL by the checked calls alone. */
final class CallNccl {

    private static final int RANKS = 2;
    private static final int COUNT = 1000;

    private CallNccl() {}

    public static void main(String[] args) {
        NcclOptions options = NcclOptions.defaults().withCtas(1, 2);
        NcclLibrary library = NcclLibrary.load(options);
        Nccl nccl = library.nccl();
        Cuda cuda = library.cuda();
        NcclCall[] calls = new NcclCall[RANKS];
        NcclComm[] comms = new NcclComm[RANKS];
        long[] streams = new long[RANKS];
        long[] memory = new long[RANKS];
        Arrays.setAll(calls, rank -> new NcclCall("world", rank, "allReduce(tag 'a')", 0));
        byte[] id = nccl.getUniqueId(calls[0]);
        for (int rank = 0; rank < RANKS; rank++) {
            cuda.setDevice(rank);
            comms[rank] = nccl.commInitRankConfig(calls[rank], RANKS, id, rank, options);
            streams[rank] = cuda.streamCreate();
            memory[rank] = cuda.malloc(COUNT * 4L);
        }
        for (int rank = 0; rank < RANKS; rank++) {
            await(nccl, calls[rank], comms[rank]);
            print("rank=" + nccl.commUserRank(calls[rank], comms[rank]));
            print("size=" + nccl.commCount(calls[rank], comms[rank]));
            print("device=" + nccl.commCuDevice(calls[rank], comms[rank]));
        }
        try (FloatPointer host = new FloatPointer(COUNT)) {
            for (int rank = 0; rank < RANKS; rank++) {
                for (int i = 0; i < COUNT; i++) {
                    host.put(i, i + 10f * rank);
                }
                cuda.setDevice(rank);
                cuda.memcpyAsync(memory[rank], host.address(), COUNT * 4L, streams[rank]);
                long stream = streams[rank];
                await(() -> cuda.streamQuery(stream));
            }
            nccl.groupStart(calls[0]);
            for (int rank = 0; rank < RANKS; rank++) {
                nccl.allReduce(
                        calls[rank],
                        comms[rank],
                        NcclTransfer.inPlace(memory[rank], COUNT, DType.F32, streams[rank]),
                        NcclOp.AVG);
            }
            nccl.groupEnd(calls[0]);
            for (int rank = 0; rank < RANKS; rank++) {
                await(nccl, calls[rank], comms[rank]);
                cuda.setDevice(rank);
                long event = cuda.eventCreate();
                cuda.eventRecord(event, streams[rank]);
                await(() -> cuda.eventQuery(event));
                cuda.eventDestroy(event);
                cuda.memcpyAsync(host.address(), memory[rank], COUNT * 4L, streams[rank]);
                long stream = streams[rank];
                await(() -> cuda.streamQuery(stream));
                int wrong = 0;
                for (int i = 0; i < COUNT; i++) {
                    wrong += host.get(i) == i + 5f ? 0 : 1;
                }
                print("wrong=" + wrong);
            }
        }
        for (int rank = 0; rank < RANKS; rank++) {
            cuda.setDevice(rank);
            nccl.commAbort(calls[rank], comms[rank]);
            cuda.free(memory[rank]);
            cuda.streamDestroy(streams[rank]);
        }
        nccl.commAbort(calls[0], comms[0]);
        try {
            nccl.commCount(calls[0], comms[0]);
        } catch (NcclException e) {
            print("after=" + e.getMessage());
        }
        print("end=reached");
    }

    private static void await(Nccl nccl, NcclCall call, NcclComm comm) {
        await(
                () -> {
                    NcclResult state = nccl.commGetAsyncError(call, comm);
                    if (state.isFailure()) {
                        throw nccl.failure(call, comm, state);
                    }
                    return state == NcclResult.SUCCESS;
                });
    }

    private static void await(BooleanSupplier done) {
        long end = System.nanoTime() + 20_000_000_000L;
        while (!done.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("not done in time");
            }
            Thread.onSpinWait();
        }
    }

    private static void print(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
