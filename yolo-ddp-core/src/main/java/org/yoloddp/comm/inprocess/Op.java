package org.yoloddp.comm.inprocess;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Completion;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.Slice;

/**
 * One collective or message, shared by its ranks. Everything but its completion is guarded by the
 * group's lock.
 */
final class Op extends Completion {

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
        return Arrays.stream(participants).allMatch(rank -> first.agreesWith(call(rank)));
    }

    /** Tells whether the work, once started, is one slice of at most so many bytes of all ranks. */
    boolean isSmall(long bytes) {
        if (isDone() || !started || slices.size() != 1) {
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
        complete(failure);
    }
}
