package org.yoloddp.comm.tcp;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Completion;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.FlightRecord;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Slice;

/** One rank's part of an operation. All but the end is touched by the thread that drives. */
final class Entry extends Completion {

    /** Nothing is left undone for longer. */
    private static final long PATIENCE_NANOS = 1_000_000_000;

    /** The number among the rank's calls in the group. */
    final long index;

    final Fingerprint call;
    final byte[] bytes;
    final @Nullable HostBuffer buffer;

    /** The ranks of the group that take part, in order. */
    final int[] participants;

    /** Those of them that share this host. */
    final int[] locals;

    private final FlightRecord record;
    private final long since = System.nanoTime();

    /** How this rank's memory takes part. */
    int kind;

    Arena.@Nullable Place place;

    /** Set by whoever looks for the end without waiting for it. */
    volatile boolean hurried;

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

    Entry(
            long index,
            Fingerprint call,
            @Nullable HostBuffer buffer,
            int[] participants,
            int[] locals,
            FlightRecord record) {
        this.index = index;
        this.call = call;
        this.bytes = Codec.bytes(call);
        this.buffer = buffer;
        this.participants = participants;
        this.locals = locals;
        this.record = record;
    }

    /** Tells whether ranks of other hosts take part. */
    boolean isWide() {
        return locals.length < participants.length;
    }

    boolean isMessage() {
        return call.operation().isMessage();
    }

    /** Tells whether the work, once started, is one slice of at most so many bytes of all ranks. */
    boolean isSmall(long bytes) {
        return started
                && !isWide()
                && slices.size() <= 1
                && (call.dtype() == null
                        || call.count() * call.dtype().bytes() * participants.length <= bytes);
    }

    /**
     * Tells whether the rank's own thread has to work on it. What lies in shared memory is done by
     * whoever waits for it, of any rank: while all compute, work on it would only take a core from
     * one of them. Connections, and memory of this process, nobody else can see to.
     */
    boolean isUrgent() {
        return hurried
                || isWide()
                || isMessage()
                || kind == Board.STAGED
                || call.operation() == Operation.SPLIT
                || System.nanoTime() - since > PATIENCE_NANOS;
    }

    /** Takes note that all have come and the work begins. */
    void start() {
        started = true;
        record.started();
    }

    void end(@Nullable CommunicationException failure) {
        if (buffer != null) {
            buffer.release();
        }
        record.ended(failure != null);
        complete(failure);
    }
}
