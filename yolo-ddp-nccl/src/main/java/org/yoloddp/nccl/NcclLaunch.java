package org.yoloddp.nccl;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiConsumer;
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
                if (!work.group.device.awaitReady(work.group.call(work.call))) {
                    return;
                }
            }
            for (NcclWork work : batch) {
                StreamEvent done = work.group.device.stream().record();
                work.launched(done);
            }
        } catch (RuntimeException e) {
            batch.forEach(work -> work.group.failing.accuse(e));
        } finally {
            restore(cuda, device, batch);
        }
    }

    private static void restore(Cuda cuda, @Nullable Integer device, List<NcclWork> batch) {
        if (device != null) {
            try {
                cuda.setDevice(device);
            } catch (CudaException e) {
                batch.forEach(work -> work.group.failing.accuse(e));
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
                    work.group.device.stream().waitFor(work.ready);
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
        NcclComm comm = group.device.comm();
        CommBuffer buffer = work.buffer == null ? group.device.scratch() : work.buffer;
        if (buffer.count() == 0) {
            return;
        }
        NcclTransfer all =
                NcclTransfer.inPlace(
                        work.buffer == null ? buffer.address() : work.address,
                        buffer.count(),
                        buffer.dtype(),
                        group.device.stream().handle());
        int peer = work.call.peer();
        switch (work.call.operation()) {
            case ALL_REDUCE, BARRIER -> nccl.allReduce(call, comm, all, op(work));
            case BROADCAST -> nccl.broadcast(call, comm, all, peer);
            case REDUCE_SCATTER -> reduceScatter(nccl, work, call, all);
            case ALL_GATHER -> allGather(nccl, work, call, all);
            case SEND -> nccl.send(call, comm, all, peer);
            case RECV -> nccl.recv(call, comm, all, peer);
            case SPLIT -> throw new IllegalStateException("a split gives the stream nothing to do");
        }
    }

    /** Shares of one length are NCCL's own; others are one reduction to each rank. */
    private static void reduceScatter(Nccl nccl, NcclWork work, NcclCall call, NcclTransfer all) {
        NcclComm comm = work.group.device.comm();
        List<Long> counts = work.call.counts();
        if (isEven(counts)) {
            NcclTransfer mine = share(work, all);
            nccl.reduceScatter(call, comm, all.sharesInto(mine), op(work));
        } else {
            eachShare(counts, all, (root, part) -> nccl.reduce(call, comm, part, op(work), root));
        }
    }

    /** Shares of one length are NCCL's own; others are one broadcast of each rank. */
    private static void allGather(Nccl nccl, NcclWork work, NcclCall call, NcclTransfer all) {
        NcclComm comm = work.group.device.comm();
        List<Long> counts = work.call.counts();
        if (isEven(counts)) {
            nccl.allGather(call, comm, share(work, all).sharesInto(all));
        } else {
            eachShare(counts, all, (root, part) -> nccl.broadcast(call, comm, part, root));
        }
    }

    private static boolean isEven(List<Long> counts) {
        return counts.stream().distinct().count() == 1;
    }

    private static NcclTransfer share(NcclWork work, NcclTransfer all) {
        long count = work.call.counts().get(0);
        return all.part(work.group.rank * count, count);
    }

    private static void eachShare(
            List<Long> counts, NcclTransfer all, BiConsumer<Integer, NcclTransfer> action) {
        long first = 0;
        for (int root = 0; root < counts.size(); root++) {
            long count = counts.get(root);
            if (count > 0) {
                action.accept(root, all.part(first, count));
            }
            first += count;
        }
    }

    private static NcclOp op(NcclWork work) {
        ReduceOp op = work.call.op() == null ? ReduceOp.SUM : work.call.op();
        DType dtype = work.buffer == null ? DType.I32 : work.buffer.dtype();
        return switch (op.kind()) {
            case SUM -> NcclOp.SUM;
            case AVG -> NcclOp.AVG;
            case MIN -> NcclOp.MIN;
            case MAX -> NcclOp.MAX;
            case PRODUCT -> NcclOp.PROD;
            case PREMULTIPLIED_SUM ->
                    work.group.device.premultipliedSum(
                            work.group.call(work.call), op.scale(1), dtype);
        };
    }
}
