package org.yoloddp.comm.tcp;

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

/** One rank's part of an operation. All but the end is touched by the thread that drives. */
final class Entry {

    /** The number among the rank's calls in the group. */
    final long index;

    final Fingerprint call;
    final byte[] bytes;
    final @Nullable HostBuffer buffer;

    /** The ranks of the group that take part, in order. */
    final int[] participants;

    /** Those of them that share this host. */
    final int[] locals;

    /** How this rank's memory takes part. */
    int kind;

    Arena.@Nullable Place place;

    boolean started;
    boolean staged;
    boolean acknowledged;
    List<Slice> slices = List.of();

    /** The first pending call of each participant when the operation started. */
    long[] heads = {};

    /** Where the operation's counts are. */
    int counts;

    /** Where it says which slices are done. */
    int dones;

    /** This rank's part in the exchange with other hosts. */
    @Nullable Passage passage;

    /** The memory of each participant. */
    @Nullable HostBuffer[] memory = {};

    /** The slices copied to and from shared memory. */
    int copiedIn;

    int copiedOut;

    /** Where the board of a group is that a split makes. */
    Arena.@Nullable Place board;

    private @Nullable CommunicationException failure;
    private volatile boolean done;

    /** Guards what follows. */
    private final Object watching = new Object();

    private boolean ending;
    private List<Runnable> watchers = List.of();
    private final ConcurrentLinkedQueue<Thread> waiting = new ConcurrentLinkedQueue<>();

    Entry(
            long index,
            Fingerprint call,
            @Nullable HostBuffer buffer,
            int[] participants,
            int[] locals) {
        this.index = index;
        this.call = call;
        this.bytes = Codec.bytes(call);
        this.buffer = buffer;
        this.participants = participants;
        this.locals = locals;
    }

    /** Tells whether ranks of other hosts take part. */
    boolean isWide() {
        return locals.length < participants.length;
    }

    boolean isMessage() {
        return isMessage(call.operation());
    }

    static boolean isMessage(Operation operation) {
        return operation == Operation.SEND || operation == Operation.RECV;
    }

    /** Tells whether the work, once started, is one slice of at most so many bytes of all ranks. */
    boolean isSmall(long bytes) {
        return started
                && !isWide()
                && slices.size() <= 1
                && (call.dtype() == null
                        || call.count() * call.dtype().bytes() * participants.length <= bytes);
    }

    void end(@Nullable CommunicationException failure) {
        if (buffer != null) {
            buffer.release();
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
        for (Thread thread : waiting) {
            LockSupport.unpark(thread);
        }
    }

    /** Calls an action at the end, or at once if that has come. */
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

    /** Registers the current thread; it looks again before it parks. */
    void enter() {
        waiting.add(Thread.currentThread());
    }

    void leave() {
        waiting.remove(Thread.currentThread());
    }
}
