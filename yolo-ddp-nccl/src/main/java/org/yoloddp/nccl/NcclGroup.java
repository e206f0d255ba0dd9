package org.yoloddp.nccl;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.StreamEvent;

/**
 * One rank in one group: its calls in their order, and how far they are.
 *
 * <p>Submitting appends a call, tells the ledger, and gives it to NCCL at once or when the other
 * local ranks have come. What ends a call, or the group, is the watchdog's and the waiting
 * threads'.
 */
final class NcclGroup {

    private static final Logger LOG = LoggerFactory.getLogger(NcclGroup.class);

    /** How long a rank that leaves waits for notes of others that may be on their way. */
    private static final long LEAVING_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

    private static final long DRAINING_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final long NAP_NANOS = 100_000;

    /** After that time without a verdict a rank decides by itself. */
    private static final long VERDICT_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final long ASYNC_ERROR_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
    private static final long LAUNCHING_MILLIS = 2000;

    final NcclSession session;
    final String id;
    final String name;
    final int[] world;
    final int rank;

    private final LocalGroup local;
    private final NcclDevice device;
    private final NcclCalls calls;
    private final NcclWaiters waiters = new NcclWaiters();

    /** Guarded by this, like all below that is not volatile. */
    private final ArrayDeque<NcclWork> pending = new ArrayDeque<>();

    private long ended;
    private long endedTold;
    private boolean left;
    private boolean accused;
    private boolean tearing;
    private long gate;
    private @Nullable NcclWork latest;
    private @Nullable CommunicationException fallback;
    private long fallbackAt;
    private long lookedAt;
    private volatile long matched;
    private volatile boolean drained;
    private volatile boolean tornDown;
    private volatile @Nullable CommunicationException failure;

    NcclGroup(NcclSession session, String id, String name, int[] world, int rank) {
        this.session = session;
        this.id = id;
        this.name = name;
        this.world = world;
        this.rank = rank;
        this.calls = new NcclCalls(this);
        this.device = new NcclDevice(this);
        this.local = LocalGroup.join(session.nonce + "/" + id, session.locals(world), this);
    }

    int size() {
        return world.length;
    }

    int worldRank() {
        return world[rank];
    }

    NcclDevice device() {
        return device;
    }

    NcclStream stream() {
        return device.stream();
    }

    NcclComm comm() {
        return device.comm();
    }

    CommBuffer scratch() {
        return device.scratch();
    }

    NcclCall call(Fingerprint call) {
        return new NcclCall(name, worldRank(), call.describe(), call.sequence());
    }

    /** Asks for something. A group that has failed gives work that has failed. */
    NcclWork submit(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            StreamEvent ready,
            String tag) {
        NcclWork work;
        synchronized (this) {
            if (left) {
                ready.close();
                throw CommunicatorClosedException.of(name, worldRank());
            }
            Fingerprint call = calls.next(operation, buffer, op, peer, counts, tag);
            work = new NcclWork(this, call, calls.count() - 1, buffer, op, ready);
            pending.add(work);
            latest = work;
            if (failure == null) {
                calls.tell(call);
            }
        }
        if (tornDown) {
            work.end(failure);
        } else if (failure != null) {
            session.wake();
        } else if (operation == Operation.SPLIT) {
            work.launched(StreamEvent.PASSED);
        } else {
            local.submit(work);
            session.wake();
        }
        return work;
    }

    /** Marks the end of a step: what was asked for has to match before more is asked for. */
    synchronized void mark() {
        gate = calls.count();
    }

    /** Waits until the step before the last mark has matched. */
    void awaitGate() {
        long start = System.nanoTime();
        boolean interrupted = false;
        boolean told = false;
        while (matched < gate() && failure == null) {
            if (!told && System.nanoTime() - start > session.deadline.toNanos()) {
                told = true;
                NcclWork last = latest();
                if (last != null) {
                    timeOut(last, session.deadline);
                }
            }
            park(NAP_NANOS);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized long gate() {
        return gate;
    }

    private synchronized @Nullable NcclWork latest() {
        return latest;
    }

    /** Tells whether all ranks concerned have asked for the same. */
    boolean isMatched(NcclWork work) {
        return matched > work.index;
    }

    void matched(long count) {
        matched = Math.max(matched, count);
        wake();
        session.wake();
    }

    void drained() {
        drained = true;
        wake();
    }

    /** Takes note of a call that has ended. */
    void ended(NcclWork work) {
        synchronized (this) {
            for (NcclWork head = pending.peek();
                    head != null && head.hasEnded();
                    head = pending.peek()) {
                pending.remove();
                ended++;
            }
        }
        wake();
    }

    /** The number of calls that have ended, if the ledger does not know it yet; otherwise -1. */
    synchronized long endedToTell() {
        if (ended == endedTold || failure != null) {
            return -1;
        }
        endedTold = ended;
        return ended;
    }

    /** Waits until NCCL is through with what a call that did not block has begun. */
    boolean awaitReady(String what, long sequence) {
        return device.awaitReady(new NcclCall(name, worldRank(), what, sequence));
    }

    void wake() {
        waiters.wake();
    }

    /** Waits a little, or until something happens in the group. */
    void park(long nanos) {
        waiters.park(nanos);
    }

    boolean isFailing() {
        return failure != null;
    }

    void throwIfFailing() {
        CommunicationException cause = failure;
        if (cause != null) {
            throw cause.copy();
        }
    }

    /** Says that a call is late; the ledger, which sees all ranks, says why. */
    void timeOut(NcclWork work, Duration waited) {
        NcclWork head = work;
        synchronized (this) {
            NcclWork first = pending.peek();
            head = first == null || first.hasEnded() ? work : first;
        }
        CollectiveTimeoutException own =
                CollectiveTimeoutException.of(head.call, waited, List.of(), List.of(worldRank()));
        session.tell(new Note.TimedOut(id, head.index, head.call, waited));
        fallBack(own);
    }

    /** Fails by itself with this, should there be no verdict. */
    private synchronized void fallBack(CommunicationException own) {
        if (fallback == null) {
            fallback = own;
            fallbackAt = System.nanoTime() + VERDICT_NANOS;
        }
    }

    /** Fails the group on all ranks. */
    void abort(Throwable cause) {
        if (failure != null) {
            // All ranks know, or are about to be told.
            return;
        }
        CommunicationException known = session.asFailure(this, cause);
        fallBack(known);
        session.tell(new Note.Failed(id, known, false));
    }

    /** Says that NCCL or CUDA have failed here, which is often because of another rank. */
    void accuse(Throwable cause) {
        synchronized (this) {
            if (accused || failure != null || left) {
                return;
            }
            accused = true;
        }
        LOG.debug("group '{}' on rank {} fails", name, worldRank(), cause);
        CommunicationException own = session.rankFailed(this, cause);
        fallBack(own);
        session.post(new Note.Failed(id, own, true));
    }

    /** Takes a decision; the first one stays. */
    void fail(CommunicationException cause) {
        synchronized (this) {
            if (failure != null) {
                return;
            }
            failure = cause;
        }
        wake();
        session.wake();
    }

    /** What the rank is doing in the group, as messages show it. */
    String operation() {
        List<NcclWork> open;
        synchronized (this) {
            open = new ArrayList<>(pending);
        }
        for (NcclWork work : open) {
            if (!work.look()) {
                return "during " + work;
            }
        }
        NcclWork last = latest();
        return last == null ? "before its first collective" : "after " + last;
    }

    /** Waits until NCCL has been given everything that was asked for before. */
    void awaitLaunched() {
        boolean interrupted = false;
        long end = System.nanoTime() + session.deadline.toNanos();
        while (failure == null && !isAllLaunched() && System.nanoTime() - end < 0) {
            park(NAP_NANOS);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        throwIfFailing();
    }

    private synchronized boolean isAllLaunched() {
        return pending.stream().allMatch(NcclWork::isLaunched);
    }

    /** The oldest call that has not ended. */
    synchronized @Nullable NcclWork oldest() {
        return pending.peek();
    }

    /**
     * Looks after the group; the watchdog's.
     *
     * @return whether there is something that may end soon
     */
    boolean watch() {
        if (tornDown) {
            endAll();
            return false;
        }
        if (failure != null) {
            tearDown();
            return false;
        }
        List<NcclWork> open;
        CommunicationException own = null;
        synchronized (this) {
            open = new ArrayList<>(pending);
            if (fallback != null && System.nanoTime() - fallbackAt > 0) {
                own = fallback;
            }
        }
        if (own != null) {
            fail(own);
            return true;
        }
        try {
            open.forEach(NcclWork::look);
            if (!open.isEmpty()) {
                open.get(0).checkDeadline();
            }
            lookForAsyncError(open.isEmpty());
        } catch (RuntimeException e) {
            accuse(e);
        }
        return !open.isEmpty();
    }

    private void lookForAsyncError(boolean idle) {
        long now = System.nanoTime();
        if (idle || now - lookedAt < ASYNC_ERROR_NANOS) {
            return;
        }
        lookedAt = now;
        device.checkAsyncError(call(operation()));
    }

    private NcclCall call(String what) {
        return NcclCall.of(name, worldRank(), what);
    }

    /** Stops NCCL, then ends all calls: nobody works on their memory any more. */
    private void tearDown() {
        synchronized (this) {
            if (tearing) {
                return;
            }
            tearing = true;
        }
        endPassed();
        if (!local.forget(this, LAUNCHING_MILLIS)) {
            LOG.warn("rank {}: a thread is still inside NCCL while it is aborted", worldRank());
        }
        device.abort(call("abort"));
        List<NcclWork> open;
        synchronized (this) {
            open = new ArrayList<>(pending);
        }
        device.awaitPassed(open);
        tornDown = true;
        endAll();
    }

    /** What was through before the abort has succeeded, as it may have on other ranks. */
    private void endPassed() {
        List<NcclWork> open;
        synchronized (this) {
            open = new ArrayList<>(pending);
        }
        for (NcclWork work : open) {
            if (!work.look()) {
                return;
            }
        }
    }

    private void endAll() {
        List<NcclWork> open;
        synchronized (this) {
            open = new ArrayList<>(pending);
        }
        open.forEach(work -> work.end(failure));
    }

    synchronized boolean hasLeft() {
        return left;
    }

    /**
     * Leaves: first what all have asked for is waited for, then nobody else must be at work on what
     * this rank took part in, then the others are told.
     */
    void leave() {
        awaitPending();
        synchronized (this) {
            if (left) {
                return;
            }
            left = true;
        }
        if (failure == null) {
            session.post(new Note.Ended(id, endedCount()));
            session.tell(new Note.Leaving(id));
            long end = System.nanoTime() + DRAINING_NANOS;
            while (!drained && failure == null && session.hasLine() && end > System.nanoTime()) {
                park(NAP_NANOS);
            }
        }
        session.tell(
                new Note.Left(
                        id,
                        session.rankFailed(
                                this, CommunicatorClosedException.of(name, worldRank()))));
    }

    private synchronized long endedCount() {
        return ended;
    }

    private void awaitPending() {
        long start = System.nanoTime();
        boolean interrupted = false;
        for (NcclWork head = oldest(); head != null && failure == null; head = oldest()) {
            head.look();
            long now = System.nanoTime();
            boolean hopeless = !isMatched(head) && now - start > LEAVING_NANOS;
            if (hopeless || now - start > session.deadline.toNanos()) {
                break;
            }
            park(NAP_NANOS);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Frees what NCCL has; ends what is still open. */
    void release() {
        CommunicationException cause = failure;
        if (cause == null) {
            cause = session.rankFailed(this, CommunicatorClosedException.of(name, worldRank()));
        }
        boolean open = oldest() != null;
        if (open || failure != null) {
            fail(cause);
            tearDown();
            long end = System.nanoTime() + DRAINING_NANOS;
            while (!tornDown && end > System.nanoTime()) {
                park(NAP_NANOS);
            }
        }
        local.release(this).forEach(member -> member.device.close(call("close")));
    }
}
