package org.yoloddp.nccl;

import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.CommunicatorClosedException;

/** How a rank's part of a group ends: it leaves, or the group has failed and NCCL is stopped. */
final class NcclEnding {

    private static final Logger LOG = LoggerFactory.getLogger(NcclEnding.class);

    /** How long a rank that leaves waits for notes of others that may be on their way. */
    private static final long LEAVING_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

    private static final long DRAINING_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final long LAUNCHING_MILLIS = 2000;

    /** How long what is through on other ranks may take to be so here. */
    private static final long OVERTAKEN_NANOS = TimeUnit.MILLISECONDS.toNanos(150);

    private final NcclGroup group;
    private boolean tearing;
    private volatile boolean stopping;
    private volatile boolean drained;
    private volatile boolean tornDown;

    NcclEnding(NcclGroup group) {
        this.group = group;
    }

    /** Takes note that nobody works any more on what this rank took part in. */
    void drained() {
        drained = true;
        group.waiters.wake();
    }

    /** Tells whether NCCL is being stopped: streams go on behind collectives that did nothing. */
    boolean isStopping() {
        return stopping;
    }

    /** Tells whether NCCL was stopped, so that nobody works on any call's memory. */
    boolean isTornDown() {
        return tornDown;
    }

    /** Stops NCCL, then ends all calls: nobody works on their memory any more. */
    void tearDown() {
        synchronized (this) {
            if (tearing) {
                return;
            }
            tearing = true;
        }
        group.waiters.await(OVERTAKEN_NANOS, this::endPassed);
        if (!group.local.forget(group, LAUNCHING_MILLIS)) {
            LOG.warn(
                    "rank {}: a thread is still inside NCCL while it is aborted",
                    group.worldRank());
        }
        stopping = true;
        group.device.stop(group.call("abort"), group.queue.open());
        tornDown = true;
        endAll();
    }

    /**
     * What was through before the abort has succeeded, as it may have on other ranks: one of them
     * may have failed of its very result, and the news be here before the ledger's, or before this
     * device was through.
     *
     * @return false if there may be more of it in a moment
     */
    private boolean endPassed() {
        for (NcclWork work : group.queue.open()) {
            if (!work.look()) {
                return !work.isLaunched()
                        || !group.queue.isMatched(work) && !NcclDevice.hasPassed(work);
            }
        }
        return true;
    }

    /** Ends the calls that are left after NCCL was stopped. */
    void endAll() {
        group.queue.open().forEach(work -> work.end(group.failing.failure()));
    }

    /**
     * Leaves: first what all have asked for is waited for, then nobody else must be at work on what
     * this rank took part in, then the others are told.
     */
    void leave() {
        group.queue.tellAll();
        awaitPending();
        if (!group.queue.close()) {
            return;
        }
        if (!group.failing.hasFailed()) {
            group.session.post(new Note.Ended(group.id, group.queue.ended()));
            group.session.tell(new Note.Leaving(group.id));
            group.waiters.await(
                    DRAINING_NANOS,
                    () -> drained || group.failing.hasFailed() || !group.session.hasLine());
        }
        group.session.tell(new Note.Left(group.id, absence()));
    }

    private CommunicationException absence() {
        return group.session.rankFailed(
                group, CommunicatorClosedException.of(group.name, group.worldRank()));
    }

    private void awaitPending() {
        long start = System.nanoTime();
        group.waiters.await(
                group.session.deadline.toNanos(),
                () -> {
                    NcclWork head = group.queue.oldest();
                    return head == null
                            || group.failing.hasFailed()
                            || !head.see()
                                    && !group.queue.isMatched(head)
                                    && System.nanoTime() - start > LEAVING_NANOS;
                });
    }

    /** Frees what NCCL has; ends what is still open. */
    void release() {
        CommunicationException cause = group.failing.failure();
        if (group.queue.oldest() != null || cause != null) {
            group.failing.fail(cause == null ? absence() : cause);
            tearDown();
            group.waiters.await(DRAINING_NANOS, () -> tornDown);
        }
        group.local.release(group).forEach(member -> member.device.close(group.call("close")));
    }
}
