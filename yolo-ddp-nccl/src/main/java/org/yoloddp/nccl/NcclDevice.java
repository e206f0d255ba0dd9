package org.yoloddp.nccl;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HelperThread;
import org.yoloddp.comm.HostBuffer;

/**
 * What a group has on its rank's device: NCCL's communicator, a stream, four bytes for barriers.
 */
final class NcclDevice {

    private static final Logger LOG = LoggerFactory.getLogger(NcclDevice.class);
    private static final Duration ABORTING = Duration.ofSeconds(5);
    private static final Duration PASSING = Duration.ofSeconds(5);
    private static final long NAP_NANOS = 20_000;

    private static final int MOST_FACTORS = 32;

    private record Factor(double factor, DType dtype) {}

    private final NcclGroup group;
    private final Map<Factor, NcclOp> factors = new LinkedHashMap<>();
    private @Nullable NcclStream stream;
    private @Nullable NcclComm comm;
    private @Nullable CommBuffer scratch;
    private volatile boolean hangs;
    private boolean closed;

    NcclDevice(NcclGroup group) {
        this.group = group;
    }

    /** Makes the stream; the thread is on the device then. */
    synchronized void open() {
        NcclSession session = group.session;
        NcclStream made = NcclStream.create(session.cuda(), session.device);
        stream = made;
        scratch =
                session.usesHostBuffers()
                        ? HostBuffer.allocate(DType.I32, 1)
                        : DeviceMemory.allocate(
                                session.cuda(), made, DType.I32, 1, session.deadline);
    }

    synchronized void use(NcclComm made) {
        comm = made;
    }

    synchronized NcclStream stream() {
        if (stream == null) {
            throw new IllegalStateException("no stream yet");
        }
        return stream;
    }

    synchronized NcclComm comm() {
        if (comm == null) {
            throw new IllegalStateException("no communicator yet");
        }
        return comm;
    }

    /** NCCL's operation with a factor; those used last are kept, as a training has few factors. */
    synchronized NcclOp premultipliedSum(NcclCall call, double factor, DType dtype) {
        Factor wanted = new Factor(factor, dtype);
        NcclOp known = factors.get(wanted);
        if (known == null) {
            Nccl nccl = group.session.nccl();
            if (factors.size() == MOST_FACTORS) {
                Factor oldest = factors.keySet().iterator().next();
                nccl.redOpDestroy(call, factors.remove(oldest), comm());
            }
            known = nccl.redOpCreatePreMulSum(call, factor, dtype, comm());
            factors.put(wanted, known);
        }
        return known;
    }

    synchronized CommBuffer scratch() {
        if (scratch == null) {
            throw new IllegalStateException("no memory yet");
        }
        return scratch;
    }

    /**
     * Waits until the communicator is ready for the next call.
     *
     * @return false if the group fails before that
     */
    boolean awaitReady(NcclCall call) {
        return awaitReady(call, comm());
    }

    boolean awaitReady(NcclCall call, NcclComm waited) {
        long end = System.nanoTime() + group.session.deadline.toNanos();
        int looks = 0;
        while (!group.failing.hasFailed()) {
            NcclResult state = group.session.nccl().commGetAsyncError(call, waited);
            if (state.isFailure()) {
                throw group.session.nccl().failure(call, waited, state);
            }
            if (state == NcclResult.SUCCESS) {
                return true;
            }
            if (System.nanoTime() - end > 0) {
                throw NcclRefusal.notReady(
                        "get through " + call.operation(),
                        group.worldRank(),
                        group.session.deadline);
            }
            if (looks++ < 100) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(this, NAP_NANOS);
            }
        }
        return false;
    }

    /** Throws what NCCL has found out since the last call. */
    void checkAsyncError(NcclCall call) {
        NcclComm known;
        synchronized (this) {
            known = comm;
        }
        if (known == null || known.isFreed()) {
            return;
        }
        NcclResult state = group.session.nccl().commGetAsyncError(call, known);
        if (state.isFailure()) {
            throw group.session.nccl().failure(call, known, state);
        }
    }

    /** Aborts the communicator and waits until the device is through with some calls. */
    void stop(NcclCall call, List<NcclWork> works) {
        hangs = !abort(call) || !awaitPassed(works);
    }

    /** Tells whether it could not be stopped: its memory may be in use for ever, so it is kept. */
    boolean hangs() {
        return hangs;
    }

    /** Aborts the communicator, on a thread of its own, since an abort may hang as well. */
    private boolean abort(NcclCall call) {
        NcclComm known;
        synchronized (this) {
            known = comm;
        }
        if (known == null) {
            return true;
        }
        HelperThread thread =
                new HelperThread(
                        "yolo-ddp-nccl-abort-" + group.worldRank(),
                        () -> {
                            try {
                                group.session.cuda().setDevice(group.session.device);
                                group.session.nccl().commAbort(call, known);
                            } catch (RuntimeException e) {
                                LOG.warn("{} cannot be aborted: {}", call, e.getMessage());
                            }
                        });
        thread.start();
        boolean back = thread.join(ABORTING);
        if (!back) {
            LOG.warn("{} does not come back from its abort", call);
        }
        return back;
    }

    private boolean awaitPassed(List<NcclWork> works) {
        long end = System.nanoTime() + PASSING.toNanos();
        for (NcclWork work : works) {
            while (!hasPassed(work)) {
                if (System.nanoTime() - end > 0) {
                    LOG.warn(
                            "rank {}: {} does not end on the device though it was aborted",
                            group.worldRank(),
                            work);
                    return false;
                }
                LockSupport.parkNanos(this, NAP_NANOS);
            }
        }
        return true;
    }

    /** Tells whether a device that has not failed is through with a call. */
    static boolean hasPassed(NcclWork work) {
        try {
            return work.hasPassed();
        } catch (CudaException e) {
            // A device that has failed does nothing more.
            return true;
        }
    }

    /** Frees everything. An abort waits for nobody, and nobody is at work any more. */
    void close(NcclCall call) {
        NcclStream ownStream;
        CommBuffer memory;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            ownStream = stream;
            memory = scratch;
        }
        if (hangs || !abort(call)) {
            LOG.warn("{}: the device is not free, so its memory is not freed either", call);
            return;
        }
        try {
            if (ownStream != null) {
                ownStream.close();
            }
            if (memory != null) {
                memory.close();
            }
        } catch (CudaException e) {
            LOG.warn("rank {}: {}", group.worldRank(), e.getMessage());
        }
    }
}
