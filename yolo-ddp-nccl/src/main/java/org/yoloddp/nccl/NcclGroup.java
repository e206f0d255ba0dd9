package org.yoloddp.nccl;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.yoloddp.comm.Call;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.StreamEvent;

/**
 * One rank in one group: its calls in their order, what it has on its device, and its way to the
 * ledger.
 *
 * <p>Submitting appends a call, tells the ledger, and gives it to NCCL at once or when the other
 * local ranks have come. What ends a call, or the group, is the watchdog's and the waiting
 * threads'.
 */
final class NcclGroup {

    private static final long ASYNC_ERROR_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    final NcclSession session;
    final String id;
    final String name;
    final int[] world;
    final int rank;

    final NcclWaiters waiters = new NcclWaiters();
    final NcclQueue queue;
    final NcclFailing failing = new NcclFailing(this);
    final NcclEnding ending = new NcclEnding(this);
    final NcclDevice device = new NcclDevice(this);
    final LocalGroup local;

    private long lookedAt;

    NcclGroup(NcclSession session, String id, String name, int[] world, int rank) {
        this.session = session;
        this.id = id;
        this.name = name;
        this.world = world;
        this.rank = rank;
        this.queue = new NcclQueue(this);
        this.local = LocalGroup.join(session.nonce + "/" + id, session.locals(world), this);
    }

    int size() {
        return world.length;
    }

    int worldRank() {
        return world[rank];
    }

    /** Names a call to NCCL, for messages. */
    NcclCall call(Fingerprint call) {
        return new NcclCall(name, worldRank(), call.describe(), call.sequence());
    }

    /** Names a call to NCCL that is no collective. */
    NcclCall call(String what) {
        return NcclCall.of(name, worldRank(), what);
    }

    /** Asks for something. A group that has failed gives work that has failed. */
    NcclWork submit(Call call, StreamEvent ready) {
        NcclWork work = queue.add(call, ready);
        if (ending.isTornDown()) {
            work.end(failing.failure());
        } else if (failing.hasFailed()) {
            session.wake();
        } else if (call.operation() == Operation.SPLIT) {
            work.launched(StreamEvent.PASSED);
        } else {
            local.submit(work);
            session.wake();
        }
        return work;
    }

    /** Waits until the step before the last mark has matched. */
    void awaitGate() {
        if (!waiters.await(
                session.deadline.toNanos(), () -> queue.isGateOpen() || failing.hasFailed())) {
            NcclWork last = queue.latest();
            if (last != null) {
                failing.awaitVerdict(last, session.deadline);
            }
        }
    }

    /** Waits until NCCL has been given everything that was asked for before. */
    void awaitLaunched() {
        waiters.await(
                session.deadline.toNanos(), () -> queue.isAllLaunched() || failing.hasFailed());
        failing.throwIfFailed();
    }

    void matched(long count) {
        queue.matched(count);
        waiters.wake();
        session.wake();
    }

    /**
     * Looks after the group; the watchdog's.
     *
     * @return whether there is something that may end soon
     */
    boolean watch() {
        if (ending.isTornDown()) {
            ending.endAll();
            return false;
        }
        if (failing.hasFailed()) {
            ending.tearDown();
            return false;
        }
        failing.checkFallback();
        List<NcclWork> open = queue.open();
        try {
            open.forEach(NcclWork::see);
            if (!open.isEmpty()) {
                open.get(0).tellIfOld();
                open.get(0).checkDeadline();
                lookForAsyncError(open.get(0));
            }
        } catch (RuntimeException e) {
            failing.accuse(e);
        }
        return !open.isEmpty();
    }

    private void lookForAsyncError(NcclWork first) {
        long now = System.nanoTime();
        if (now - lookedAt > ASYNC_ERROR_NANOS) {
            lookedAt = now;
            device.checkAsyncError(call(first.call));
        }
    }
}
