package org.yoloddp.nccl;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommunicationException;

/**
 * What a group fails of, as one rank sees it: whatever goes wrong here is told to the ledger, whose
 * verdict is taken; only if there is none the rank decides by itself. Thread-safe.
 */
final class NcclFailing {

    private static final Logger LOG = LoggerFactory.getLogger(NcclFailing.class);

    /** After that time without a verdict a rank decides by itself. */
    private static final long VERDICT_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final NcclGroup group;
    private boolean accused;
    private @Nullable CommunicationException fallback;
    private long fallbackAt;
    private volatile @Nullable CommunicationException failure;

    NcclFailing(NcclGroup group) {
        this.group = group;
    }

    boolean hasFailed() {
        return failure != null;
    }

    @Nullable CommunicationException failure() {
        return failure;
    }

    void throwIfFailed() {
        CommunicationException cause = failure;
        if (cause != null) {
            throw cause.copy();
        }
    }

    /** Says that a call is late; the ledger, which sees all ranks, says why. */
    void timeOut(NcclWork work, Duration waited) {
        tellTimeOut(work, waited);
    }

    /** Says that a call is late, and waits until the group has failed of it. */
    void awaitVerdict(NcclWork work, Duration waited) {
        CommunicationException own = tellTimeOut(work, waited);
        if (!group.waiters.await(2 * VERDICT_NANOS, this::hasFailed)) {
            fail(own);
        }
    }

    private CommunicationException tellTimeOut(NcclWork work, Duration waited) {
        NcclWork first = group.queue.oldest();
        NcclWork head = first == null || first.hasEnded() ? work : first;
        CollectiveTimeoutException own =
                CollectiveTimeoutException.of(
                        head.call, waited, List.of(), List.of(group.worldRank()));
        group.queue.tellAll();
        boolean hashes = group.queue.usesHashes();
        group.session.tell(new Note.TimedOut(group.id, head.index, head.call, waited, hashes));
        fallBack(own);
        return own;
    }

    /** Fails by itself with this, should there be no verdict. */
    private synchronized void fallBack(CommunicationException own) {
        if (fallback == null) {
            fallback = own;
            fallbackAt = System.nanoTime() + VERDICT_NANOS;
        }
    }

    /** Decides if it has waited for a verdict for too long. */
    void checkFallback() {
        CommunicationException own;
        synchronized (this) {
            own = System.nanoTime() - fallbackAt > 0 ? fallback : null;
        }
        if (own != null) {
            fail(own);
        }
    }

    /** Fails the group on all ranks. */
    void abort(Throwable cause) {
        if (failure != null) {
            // All ranks know, or are about to be told.
            return;
        }
        CommunicationException known = group.session.asFailure(group, cause);
        fallBack(known);
        group.session.tell(new Note.Failed(group.id, known, false));
    }

    /** Says that NCCL or CUDA have failed here, which is often because of another rank. */
    void accuse(Throwable cause) {
        synchronized (this) {
            if (accused || failure != null || group.queue.isClosed()) {
                return;
            }
            accused = true;
        }
        LOG.debug("group '{}' on rank {} fails", group.name, group.worldRank(), cause);
        CommunicationException own = group.session.rankFailed(group, cause);
        fallBack(own);
        group.session.post(new Note.Failed(group.id, own, true));
    }

    /** Takes a decision; the first one stays. */
    void fail(CommunicationException cause) {
        synchronized (this) {
            if (failure != null) {
                return;
            }
            failure = cause;
        }
        group.waiters.wake();
        group.session.wake();
    }
}
