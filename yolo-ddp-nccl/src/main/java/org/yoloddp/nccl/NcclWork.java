package org.yoloddp.nccl;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.comm.Work;

/**
 * One rank's part in a call: asked for, then given to NCCL, then ended, which is when its event has
 * passed and the ledger has found that all ranks asked for the same.
 */
final class NcclWork implements Work {

    private static final long SPIN_NANOS = 20_000;
    private static final long NAP_NANOS = 100_000;

    final NcclGroup group;
    final Fingerprint call;

    /** Which of the rank's calls in the group this is. */
    final long index;

    final @Nullable CommBuffer buffer;

    /** Where the buffer is, which it does not tell any more once it is closed. */
    final long address;

    final @Nullable ReduceOp op;

    /** What the producer had been given when this was asked for. */
    final StreamEvent ready;

    final long submittedAt = System.nanoTime();

    private final long expiry;
    private final @Nullable Object kept;
    private final FlightRecord record;
    private @Nullable StreamEvent done;
    private @Nullable CommunicationException failure;
    private List<Runnable> watchers = List.of();
    private boolean ending;
    private boolean timedOut;
    private volatile boolean launched;
    private volatile boolean ended;

    NcclWork(
            NcclGroup group,
            Fingerprint call,
            long index,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            StreamEvent ready) {
        this.group = group;
        this.call = call;
        this.index = index;
        this.buffer = buffer;
        this.address = buffer == null ? 0 : buffer.address();
        this.op = op;
        this.ready = ready;
        this.record = group.session.record(call);
        this.expiry = submittedAt + group.session.deadline.toNanos();
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
        record.launched();
        ready.close();
        group.wake();
    }

    /** Tells whether the device is through with it, as far as it has been given any. */
    synchronized boolean hasPassed() {
        return ended || done == null || done.hasPassed();
    }

    /** Ends it if it can be ended well. */
    boolean look() {
        if (!ended && launched && group.isMatched(this)) {
            boolean through;
            synchronized (this) {
                through = ended || done == null || !group.session.keeps(StreamWait.HOST);
                through = through || hasPassedOrFailed(done);
            }
            if (through) {
                end(null);
            }
        }
        return ended;
    }

    /** A device that has failed fails the group, which then ends this. */
    private boolean hasPassedOrFailed(StreamEvent event) {
        try {
            return event.hasPassed();
        } catch (CudaException e) {
            group.accuse(e);
            return false;
        }
    }

    /** Ends it, well or not, once; the device must be through with its memory. */
    void end(@Nullable CommunicationException cause) {
        List<Runnable> told;
        synchronized (this) {
            if (ending) {
                return;
            }
            ending = true;
            failure = cause;
            record.ended(cause != null);
            told = watchers;
            watchers = List.of();
            letGo();
            ready.close();
            if (done != null) {
                done.close();
            }
        }
        told.forEach(Runnable::run);
        ended = true;
        group.ended(this);
    }

    boolean hasEnded() {
        return ended;
    }

    boolean isLate() {
        return !ended && System.nanoTime() - expiry >= 0;
    }

    @Override
    public void await(Duration deadline) {
        long start = System.nanoTime();
        long end = start + Math.min(nanos(deadline), Math.max(0, expiry - start));
        Duration allowed = end == expiry ? group.session.deadline : deadline;
        boolean interrupted = false;
        while (!look()) {
            long now = System.nanoTime();
            if (now - end >= 0) {
                timeOut(allowed);
            }
            if (now - start < SPIN_NANOS) {
                Thread.onSpinWait();
            } else {
                group.park(NAP_NANOS);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        throwFailure();
    }

    private void timeOut(Duration waited) {
        synchronized (this) {
            if (timedOut) {
                return;
            }
            timedOut = true;
        }
        group.timeOut(this, waited);
    }

    /** Says so if it has taken longer than the communicator's own deadline. */
    void checkDeadline() {
        if (isLate()) {
            timeOut(group.session.deadline);
        }
    }

    private void throwFailure() {
        CommunicationException cause = failure;
        if (cause != null) {
            throw cause.copy();
        }
    }

    @Override
    public void orderBefore(ComputeStream consumer) {
        if (consumer.device().isHost()) {
            await(group.session.deadline);
            return;
        }
        group.awaitGate();
        // Only where several ranks are in this process has this one to wait for the others to come.
        boolean interrupted = false;
        while (!launched && !look() && !group.isFailing()) {
            if (System.nanoTime() - expiry >= 0) {
                timeOut(group.session.deadline);
            }
            group.park(NAP_NANOS);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        group.throwIfFailing();
        synchronized (this) {
            // An event that has been closed has passed.
            if (!ending && done != null && group.session.keeps(StreamWait.CONSUMER)) {
                consumer.waitFor(done);
            }
        }
        if (ended) {
            throwFailure();
        }
    }

    @Override
    public boolean isDone() {
        if (!look()) {
            checkDeadline();
        }
        return ended;
    }

    @Override
    public Optional<Throwable> failure() {
        if (!isDone()) {
            return Optional.empty();
        }
        CommunicationException cause = failure;
        return cause == null ? Optional.empty() : Optional.of(cause.copy());
    }

    @Override
    public boolean whenEnded(Runnable action) {
        synchronized (this) {
            if (!ending) {
                List<Runnable> more = new ArrayList<>(watchers);
                more.add(action);
                watchers = more;
                return true;
            }
        }
        action.run();
        return true;
    }

    private static long nanos(Duration duration) {
        try {
            return Math.max(0, duration.toNanos());
        } catch (ArithmeticException e) {
            return Long.MAX_VALUE / 2;
        }
    }

    @Override
    public String toString() {
        return call.describe();
    }
}
