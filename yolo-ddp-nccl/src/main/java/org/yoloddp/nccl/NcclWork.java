package org.yoloddp.nccl;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Completion;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.FlightRecord;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.PendingWork;
import org.yoloddp.comm.StreamEvent;

/**
 * One rank's part in a call: asked for, then given to NCCL, then ended, which is when its event has
 * passed and the ledger has found that all ranks asked for the same.
 */
final class NcclWork extends PendingWork implements PendingWork.Waiting {

    private static final long SPIN_NANOS = 20_000;

    /** Local ranks that come later than that may not come at all, so the ledger has to know. */
    private static final long PATIENCE_NANOS = 5_000_000;

    final NcclGroup group;
    final Fingerprint call;

    /** Which of the rank's calls in the group this is. */
    final long index;

    final @Nullable CommBuffer buffer;

    /** Where the buffer is, which it does not tell any more once it is closed. */
    final long address;

    /** What the producer had been given when this was asked for. */
    final StreamEvent ready;

    private final long submittedAt = System.nanoTime();
    private final Completion completion;
    private final @Nullable Object kept;
    private final FlightRecord record;
    private @Nullable StreamEvent done;
    private boolean ending;
    private boolean timedOut;
    private volatile boolean launched;

    NcclWork(
            NcclGroup group,
            Fingerprint call,
            long index,
            @Nullable CommBuffer buffer,
            StreamEvent ready) {
        this(group, call, index, buffer, ready, new Completion());
    }

    private NcclWork(
            NcclGroup group,
            Fingerprint call,
            long index,
            @Nullable CommBuffer buffer,
            StreamEvent ready,
            Completion completion) {
        super(completion, group.session.deadline);
        this.completion = completion;
        this.group = group;
        this.call = call;
        this.index = index;
        this.buffer = buffer;
        this.address = buffer == null ? 0 : buffer.address();
        this.ready = ready;
        this.record = group.session.recorder().record(call);
        this.kept = buffer == null || !group.session.keeps(StreamWait.MEMORY) ? null : keep(buffer);
    }

    private static Object keep(CommBuffer buffer) {
        DeviceMemory memory = DeviceMemory.of(buffer);
        if (memory != null) {
            memory.retain();
            return memory;
        }
        if (buffer instanceof HostBuffer host) {
            host.retain();
        }
        return buffer;
    }

    private void letGo() {
        if (kept instanceof DeviceMemory memory) {
            memory.release();
        } else if (kept instanceof HostBuffer host) {
            host.release();
        }
    }

    boolean isLaunched() {
        return launched;
    }

    /** Takes note that NCCL has it, and of the event behind it. */
    synchronized void launched(StreamEvent event) {
        done = event;
        launched = true;
        record.started();
        ready.close();
        group.waiters.wake();
    }

    /** Tells whether the device is through with it, as far as it has been given any. */
    synchronized boolean hasPassed() {
        return hasEnded() || done == null || done.hasPassed();
    }

    /** Sees whether it has ended; who asks does not wait for the end of the step. */
    @Override
    protected boolean look() {
        if (!hasEnded()) {
            group.queue.tell(this);
        }
        return see();
    }

    /** Lets the ledger know it in good time before its deadline, however long the step takes. */
    void tellIfOld() {
        if (System.nanoTime() - submittedAt > limit().toNanos() / 4) {
            group.queue.tell(this);
        }
    }

    /** Ends it if it can be ended well. */
    boolean see() {
        if (!hasEnded() && launched && group.queue.isMatched(this)) {
            boolean through;
            synchronized (this) {
                through = ending || done == null || !group.session.keeps(StreamWait.HOST);
                through = through || hasPassedOrFailed(done);
            }
            // What passes once NCCL is being stopped has no result.
            if (through && !group.ending.isStopping()) {
                end(null);
            }
        }
        return hasEnded();
    }

    /** A device that has failed fails the group, which then ends this. */
    private boolean hasPassedOrFailed(StreamEvent event) {
        try {
            return event.hasPassed();
        } catch (CudaException e) {
            group.failing.accuse(e);
            return false;
        }
    }

    /** Ends it, well or not, once; memory that the device may never be through with is kept. */
    void end(@Nullable CommunicationException cause) {
        synchronized (this) {
            if (ending) {
                return;
            }
            ending = true;
            record.ended(cause != null);
            if (!group.device.hangs()) {
                letGo();
            }
            ready.close();
            if (done != null) {
                done.close();
            }
        }
        completion.complete(cause);
        group.queue.removeEnded();
        group.waiters.wake();
    }

    boolean hasEnded() {
        return completion.isDone();
    }

    @Override
    protected Waiting begin() {
        group.queue.tell(this);
        return this;
    }

    @Override
    public boolean help() {
        see();
        return false;
    }

    @Override
    public void rest(long idleNanos, long leftNanos) {
        if (idleNanos < SPIN_NANOS) {
            Thread.onSpinWait();
        } else {
            group.waiters.park();
        }
    }

    @Override
    protected void timeOut(Duration waited) {
        synchronized (this) {
            if (timedOut) {
                return;
            }
            timedOut = true;
        }
        group.failing.timeOut(this, waited);
    }

    /** Says so if it has taken longer than the communicator's own deadline. */
    void checkDeadline() {
        if (!hasEnded() && isLate()) {
            timeOut(limit());
        }
    }

    @Override
    public void orderBefore(ComputeStream consumer) {
        if (consumer.device().isHost()) {
            await(limit());
            return;
        }
        group.awaitGate();
        // Only where several ranks are in this process has this one to wait for the others to come.
        BooleanSupplier come = () -> launched || see() || group.failing.hasFailed();
        if (!group.waiters.await(PATIENCE_NANOS, come)) {
            group.queue.tell(this);
            if (!group.waiters.await(limit().toNanos(), come)) {
                group.failing.awaitVerdict(this, limit());
            }
        }
        group.failing.throwIfFailed();
        synchronized (this) {
            // An event that has been closed has passed.
            if (!ending && done != null && group.session.keeps(StreamWait.CONSUMER)) {
                consumer.waitFor(done);
            }
        }
        throwFailure();
    }

    @Override
    public String toString() {
        return call.describe();
    }
}
