package org.yoloddp.comm.inprocess;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Slice;

/**
 * One collective or message, shared by its ranks. Everything but {@link #isDone} and {@link
 * #whenEnded} is guarded by the group's lock.
 */
final class Op {

    /** The ranks that take part, by number in the group. */
    final int[] participants;

    final @Nullable Fingerprint[] calls;
    final @Nullable HostBuffer[] buffers;
    final long[] submittedAt;

    /** The pieces of the work, once it has started. */
    List<Slice> slices = List.of();

    int arrived;
    int claimed;
    int finished;
    boolean started;

    /** The group that a split has made. */
    @Nullable Group child;

    private @Nullable CommunicationException failure;
    private volatile boolean done;

    /** Guards what follows; taken last. */
    private final Object watching = new Object();

    private boolean ending;
    private List<Runnable> watchers = List.of();
    private final ConcurrentLinkedQueue<Thread> waiting = new ConcurrentLinkedQueue<>();

    Op(int groupSize, int[] participants) {
        this.participants = participants;
        this.calls = new Fingerprint[groupSize];
        this.buffers = new HostBuffer[groupSize];
        this.submittedAt = new long[groupSize];
    }

    /** Takes a rank's part; its buffer is retained, and released at the end. */
    void arrive(int rank, Fingerprint call, @Nullable HostBuffer buffer) {
        calls[rank] = call;
        buffers[rank] = buffer;
        submittedAt[rank] = System.nanoTime();
        arrived++;
    }

    boolean isComplete() {
        return arrived == participants.length;
    }

    boolean hasPart(int rank) {
        for (int participant : participants) {
            if (participant == rank) {
                return true;
            }
        }
        return false;
    }

    /** Tells whether all ranks have asked for the same. */
    boolean isConsistent() {
        Fingerprint first = call(participants[0]);
        boolean message =
                first.operation() == Operation.SEND || first.operation() == Operation.RECV;
        for (int rank : participants) {
            Fingerprint call = call(rank);
            boolean same =
                    message
                            ? call.dtype() == first.dtype()
                                    && call.count() == first.count()
                                    && call.tag().equals(first.tag())
                            : call.equals(first);
            if (!same) {
                return false;
            }
        }
        return true;
    }

    /** Tells whether the work, once started, is one slice of at most so many bytes of all ranks. */
    boolean isSmall(long bytes) {
        if (done || !started || slices.size() != 1) {
            return false;
        }
        Fingerprint call = call(participants[0]);
        return call.dtype() != null
                && call.count() * call.dtype().bytes() * participants.length <= bytes;
    }

    Fingerprint call(int rank) {
        Fingerprint call = calls[rank];
        if (call == null) {
            throw new IllegalStateException("Rank " + rank + " has not come");
        }
        return call;
    }

    HostBuffer buffer(int rank) {
        HostBuffer buffer = buffers[rank];
        if (buffer == null) {
            throw new IllegalStateException("Rank " + rank + " has brought no buffer");
        }
        return buffer;
    }

    /** Lists the participants that have come, or those that have not. */
    List<Integer> ranks(boolean come) {
        List<Integer> ranks = new ArrayList<>();
        for (int participant : participants) {
            if ((calls[participant] != null) == come) {
                ranks.add(participant);
            }
        }
        return ranks;
    }

    /** Ends the operation for all its ranks at once; nobody touches a buffer any more. */
    void end(@Nullable CommunicationException failure) {
        for (int rank : participants) {
            HostBuffer buffer = buffers[rank];
            if (buffer != null) {
                buffer.release();
                buffers[rank] = null;
            }
        }
        this.failure = failure;
        List<Runnable> told;
        synchronized (watching) {
            ending = true;
            told = watchers;
            watchers = List.of();
        }
        told.forEach(Runnable::run);
        done = true;
        wake();
    }

    /** Calls an action at the end, or at once if that has come. Without the group's lock. */
    void whenEnded(Runnable action) {
        synchronized (watching) {
            if (!ending) {
                List<Runnable> more = new ArrayList<>(watchers);
                more.add(action);
                watchers = more;
                return;
            }
        }
        action.run();
    }

    boolean isDone() {
        return done;
    }

    /** Reads the failure of an operation that is done. */
    @Nullable CommunicationException failure() {
        return failure;
    }

    boolean hasWaiting() {
        return !waiting.isEmpty();
    }

    void wake() {
        for (Thread thread : waiting) {
            LockSupport.unpark(thread);
        }
    }

    /** Registers the current thread; it looks again before it parks. */
    void enter() {
        waiting.add(Thread.currentThread());
    }

    void leave() {
        waiting.remove(Thread.currentThread());
    }
}
