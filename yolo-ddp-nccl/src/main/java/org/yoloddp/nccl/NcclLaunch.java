package org.yoloddp.nccl;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.StreamEvent;

/**
 * Gives calls to NCCL: one call of each of some ranks of this process.
 *
 * <p>Between the producer's event and the collective, and between that and its own event, nothing
 * waits on the host. What a communicator that does not block still has to do when the call returns,
 * such as to connect the first time, is waited for before the event is recorded, because it would
 * stand in front of the collective otherwise; that waiting ends when the group fails.
 */
final class NcclLaunch {

    /** Launches are one at a time in a process, so all its devices see them in one order. */
    private static final ReentrantLock ONE = new ReentrantLock();

    private NcclLaunch() {}

    /** Launches; what goes wrong fails the groups. */
    static void launch(List<NcclWork> batch) {
        Cuda cuda = batch.get(0).group.session.cuda();
        Integer device = null;
        try {
            device = cuda.getDevice();
            begin(batch);
            for (NcclWork work : batch) {
                if (!work.group.awaitReady(work.call.describe(), work.call.sequence())) {
                    return;
                }
            }
            for (NcclWork work : batch) {
                StreamEvent done = work.group.stream().record();
                work.launched(done);
            }
        } catch (RuntimeException e) {
            batch.forEach(work -> work.group.accuse(e));
        } finally {
            restore(cuda, device, batch);
        }
    }

    private static void restore(Cuda cuda, @Nullable Integer device, List<NcclWork> batch) {
        if (device != null) {
            try {
                cuda.setDevice(device);
            } catch (CudaException e) {
                batch.forEach(work -> work.group.accuse(e));
            }
        }
    }

    private static void begin(List<NcclWork> batch) {
        NcclWork first = batch.get(0);
        Nccl nccl = first.group.session.nccl();
        Cuda cuda = first.group.session.cuda();
        NcclCall call = first.group.call(first.call);
        lock(first);
        try {
            for (NcclWork work : batch) {
                if (work.group.session.keeps(StreamWait.PRODUCER)) {
                    work.group.stream().waitFor(work.ready);
                }
            }
            nccl.groupStart(call);
            boolean through = false;
            try {
                for (NcclWork work : batch) {
                    cuda.setDevice(work.group.session.device);
                    issue(nccl, work);
                }
                through = true;
            } finally {
                end(nccl, call, through);
            }
        } finally {
            ONE.unlock();
        }
    }

    /** An interrupt of this rank is no reason to fail all of them. */
    private static void lock(NcclWork first) {
        Duration deadline = first.group.session.deadline;
        long end = System.nanoTime() + deadline.toNanos();
        boolean interrupted = false;
        boolean locked = false;
        while (!locked && end - System.nanoTime() > 0) {
            try {
                locked = ONE.tryLock(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (!locked) {
            throw NcclRefusal.notReady(
                    "let this process launch " + first, first.group.worldRank(), deadline);
        }
    }

    /** A group of calls has to be ended, also if one of them was refused. */
    private static void end(Nccl nccl, NcclCall call, boolean through) {
        try {
            nccl.groupEnd(call);
        } catch (NcclException e) {
            if (through) {
                throw e;
            }
        }
    }

    private static void issue(Nccl nccl, NcclWork work) {
        NcclGroup group = work.group;
        NcclCall call = group.call(work.call);
        NcclComm comm = group.comm();
        long stream = group.stream().handle();
        CommBuffer buffer = work.buffer == null ? group.scratch() : work.buffer;
        long count = buffer.count();
        if (count == 0) {
            return;
        }
        long at = work.buffer == null ? buffer.address() : work.address;
        DType dtype = buffer.dtype();
        switch (work.call.operation()) {
            case ALL_REDUCE, BARRIER ->
                    nccl.allReduce(call, comm, at, at, count, dtype, op(work.op), stream);
            case BROADCAST ->
                    nccl.broadcast(call, comm, at, at, count, dtype, work.call.peer(), stream);
            case REDUCE_SCATTER -> reduceScatter(nccl, work, buffer, stream);
            case ALL_GATHER -> allGather(nccl, work, buffer, stream);
            case SEND -> nccl.send(call, comm, at, count, dtype, work.call.peer(), stream);
            case RECV -> nccl.recv(call, comm, at, count, dtype, work.call.peer(), stream);
            case SPLIT -> throw new IllegalStateException("a split gives the stream nothing to do");
        }
    }

    /**
     * Shares of one length are NCCL's own; others are one reduction to each rank, launched as one.
     */
    private static void reduceScatter(Nccl nccl, NcclWork work, CommBuffer buffer, long stream) {
        NcclGroup group = work.group;
        NcclCall call = group.call(work.call);
        List<Long> counts = work.call.counts();
        DType dtype = buffer.dtype();
        long at = work.address;
        if (counts.stream().distinct().count() == 1) {
            long share = counts.get(0);
            long mine = at + group.rank * share * dtype.bytes();
            nccl.reduceScatter(call, group.comm(), at, mine, share, dtype, op(work.op), stream);
            return;
        }
        for (int root = 0; root < counts.size(); root++) {
            long count = counts.get(root);
            if (count > 0) {
                nccl.reduce(call, group.comm(), at, at, count, dtype, op(work.op), root, stream);
            }
            at += count * dtype.bytes();
        }
    }

    /**
     * Shares of one length are NCCL's own; others are one broadcast of each rank, launched as one.
     */
    private static void allGather(Nccl nccl, NcclWork work, CommBuffer buffer, long stream) {
        NcclGroup group = work.group;
        NcclCall call = group.call(work.call);
        List<Long> counts = work.call.counts();
        DType dtype = buffer.dtype();
        long at = work.address;
        if (counts.stream().distinct().count() == 1) {
            long share = counts.get(0);
            long mine = at + group.rank * share * dtype.bytes();
            nccl.allGather(call, group.comm(), mine, at, share, dtype, stream);
            return;
        }
        for (int root = 0; root < counts.size(); root++) {
            long count = counts.get(root);
            if (count > 0) {
                nccl.broadcast(call, group.comm(), at, at, count, dtype, root, stream);
            }
            at += count * dtype.bytes();
        }
    }

    private static NcclOp op(@Nullable ReduceOp op) {
        return switch (op == null ? ReduceOp.SUM : op) {
            case SUM -> NcclOp.SUM;
            case AVG -> NcclOp.AVG;
            case MIN -> NcclOp.MIN;
            case MAX -> NcclOp.MAX;
            case PRODUCT -> NcclOp.PROD;
        };
    }
}
