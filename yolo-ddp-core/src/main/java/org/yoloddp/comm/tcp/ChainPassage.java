package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.HostReduction;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Slice;

/**
 * One collective at one run of the chain.
 *
 * <p>Forward, from the first run to the last, goes what the ranks ask for, and then slice by slice:
 * of a reduction the partial result, to which each run adds its ranks in their order, so that the
 * bits are those of one host; of a copy the elements whose owner stands before. Backward, from the
 * last run on, goes its consent that all have asked for the same, and then the results, and the
 * elements whose owner stands behind. Both directions flow at the same time, so a large reduction
 * takes the time of its bytes over one link and not of the links in turn.
 */
final class ChainPassage implements Passage {

    private final Entry entry;
    private final Chain chain;
    private final IntFunction<Slice.Memory> memory;
    private final IntPredicate isReady;
    private final IntPredicate isSteady;
    private final IntConsumer done;
    private final int run;
    private final int[] members;
    private final boolean hasPrevious;
    private final boolean hasNext;

    private final Header.Reader header = new Header.Reader();
    private final Header.Reader consent = new Header.Reader();
    private final Outgoing toNext;
    private final Outgoing toPrevious;
    private boolean headerSent;
    private boolean consented;

    /** The slices that forward and backward are at. */
    private int forward;

    private int backward;
    private @Nullable ByteBuffer fromPrevious;
    private @Nullable ByteBuffer fromNext;
    private @Nullable HostReduction reduction;

    /**
     * Creates it.
     *
     * @param memory the memory of the run's ranks for a slice
     * @param isReady tells whether a slice is in place on all ranks of the run
     * @param isSteady tells whether a rank's elements stay where they are until the end
     * @param done told when a slice has its result on all ranks of the run
     */
    ChainPassage(
            Entry entry,
            Chain chain,
            int run,
            IntFunction<Slice.Memory> memory,
            IntPredicate isReady,
            IntPredicate isSteady,
            IntConsumer done) {
        this.entry = entry;
        this.chain = chain;
        this.memory = memory;
        this.isReady = isReady;
        this.isSteady = isSteady;
        this.done = done;
        this.run = run;
        this.members = chain.members(run);
        this.hasPrevious = run > 0;
        this.hasNext = run < chain.count() - 1;
        this.toNext = chain.toNext;
        this.toPrevious = chain.toPrevious;
    }

    @Override
    public boolean isDone() {
        return consented
                && forward == entry.slices.size()
                && backward == entry.slices.size()
                && toNext.isEmpty()
                && toPrevious.isEmpty();
    }

    @Override
    public boolean step() {
        if (!chain.isConnected()) {
            return false;
        }
        Link previous = hasPrevious ? chain.previous().orElse(null) : null;
        Link next = hasNext ? chain.next().orElse(null) : null;
        boolean helped = agree(previous, next);
        if (headerSent) {
            while (forward(previous)) {
                helped = true;
                if (next != null) {
                    toNext.write(next);
                }
            }
        }
        if (next != null) {
            helped |= toNext.write(next);
        }
        if (consented) {
            while (backward(next)) {
                helped = true;
                if (previous != null) {
                    toPrevious.write(previous);
                }
            }
        }
        if (previous != null) {
            helped |= toPrevious.write(previous);
        }
        return helped;
    }

    private boolean agree(@Nullable Link previous, @Nullable Link next) {
        boolean helped = false;
        if (!headerSent) {
            if (previous != null) {
                helped = header.read(previous);
                if (!header.isWhole()) {
                    return helped;
                }
                check(header.call(), previous);
            }
            headerSent = true;
            helped = true;
            if (next != null) {
                toNext.add(Header.of(entry.bytes));
            } else {
                consent();
            }
        }
        if (!consented && next != null) {
            helped |= consent.read(next);
            if (consent.isWhole()) {
                if (consent.sign() != Header.ACCEPTED) {
                    throw new MismatchException(consent.call().orElse(new byte[0]), next.peer);
                }
                consent();
            }
        }
        return helped;
    }

    private void check(Optional<byte[]> call, Link previous) {
        byte[] theirs = call.orElse(new byte[0]);
        if (!Arrays.equals(theirs, entry.bytes)) {
            throw new MismatchException(theirs, previous.peer);
        }
    }

    private void consent() {
        consented = true;
        if (hasPrevious) {
            toPrevious.add(Header.sign(Header.ACCEPTED));
        }
    }

    private int owner(Slice slice) {
        return chain.run(slice.owner());
    }

    private boolean isReduction() {
        return entry.call.op() != null;
    }

    /** Takes one slice forward; false if it has to wait, or there is none. */
    private boolean forward(@Nullable Link previous) {
        if (forward >= entry.slices.size()) {
            return false;
        }
        Slice slice = entry.slices.get(forward);
        if (isReduction()) {
            if (!reduceForward(slice, previous)) {
                return false;
            }
        } else if (owner(slice) <= run && !copyForward(slice, previous)) {
            return false;
        }
        forward++;
        return true;
    }

    private boolean reduceForward(Slice slice, @Nullable Link previous) {
        if (previous != null) {
            if (fromPrevious == null) {
                int bytes = slice.count() * HostReduction.partialBytes(dtype());
                fromPrevious = chain.incoming(bytes);
            }
            previous.read(fromPrevious);
            if (fromPrevious.hasRemaining()) {
                return false;
            }
        }
        if (!isReady.test(forward)) {
            return false;
        }
        ByteBuffer partial = null;
        if (hasNext) {
            partial = toNext.take().orElse(null);
            if (partial == null) {
                return false;
            }
            partial.limit(slice.count() * HostReduction.partialBytes(dtype()));
        }
        ByteBuffer[] in = new ByteBuffer[members.length];
        for (int i = 0; i < members.length; i++) {
            in[i] = window(members[i], slice, forward);
        }
        HostReduction host = reduction;
        if (host == null) {
            ReduceOp op = entry.call.op();
            if (op == null) {
                throw new IllegalStateException(entry.call.describe() + " reduces nothing");
            }
            host = HostReduction.of(dtype(), op, entry.participants.length);
            reduction = host;
        }
        ByteBuffer[] out = hasNext ? new ByteBuffer[0] : in;
        host.reduce(fromPrevious, in, partial, out, slice.count());
        fromPrevious = null;
        if (partial != null) {
            toNext.addLent(partial);
        }
        return true;
    }

    private boolean copyForward(Slice slice, @Nullable Link previous) {
        if (!isReady.test(forward) || (hasNext && !toNext.hasRoom())) {
            return false;
        }
        int source = slice.owner();
        if (owner(slice) < run) {
            source = members[0];
            if (previous == null) {
                throw new IllegalStateException("Nothing stands before the first run");
            }
            if (fromPrevious == null) {
                fromPrevious = window(source, slice, forward);
            }
            previous.read(fromPrevious);
            if (fromPrevious.hasRemaining()) {
                return false;
            }
            fromPrevious = null;
        }
        spread(slice, source, forward);
        send(toNext, hasNext, slice, source, forward);
        if (!hasPrevious || owner(slice) < run) {
            done.accept(forward);
        }
        return true;
    }

    /** Takes one slice backward; false if it has to wait, or there is none. */
    private boolean backward(@Nullable Link next) {
        if (backward >= entry.slices.size()) {
            return false;
        }
        Slice slice = entry.slices.get(backward);
        boolean comes = isReduction() ? hasNext : owner(slice) > run;
        boolean goes = hasPrevious && (isReduction() || owner(slice) >= run);
        if (!comes && goes && forward <= backward) {
            return false;
        }
        if (!comes && !goes) {
            backward++;
            return true;
        }
        if (goes && !toPrevious.hasRoom()) {
            return false;
        }
        int source = comes || isReduction() ? members[0] : slice.owner();
        if (comes) {
            if (next == null || !isReady.test(backward)) {
                return false;
            }
            if (fromNext == null) {
                fromNext = window(source, slice, backward);
            }
            next.read(fromNext);
            if (fromNext.hasRemaining()) {
                return false;
            }
            fromNext = null;
            spread(slice, source, backward);
        }
        // Only now: what is done may be overwritten by what comes next through shared memory.
        send(toPrevious, goes, slice, source, backward);
        done.accept(backward);
        backward++;
        return true;
    }

    /** Copies what one rank of the run has to the others. */
    private void spread(Slice slice, int source, int number) {
        Slice.Memory where = memory.apply(number);
        HostBuffer from = where.buffer(source);
        long at = where.index(source, slice.from());
        for (int member : members) {
            if (member != source) {
                HostBuffer to = where.buffer(member);
                from.copyTo(to, at, where.index(member, slice.from()), slice.count());
            }
        }
    }

    /** Sends from where it lies if it stays there, otherwise from a copy. */
    private void send(Outgoing out, boolean goes, Slice slice, int source, int number) {
        if (!goes) {
            return;
        }
        ByteBuffer bytes = window(source, slice, number);
        if (isSteady.test(source)) {
            out.add(bytes);
            return;
        }
        ByteBuffer lent = out.take().orElseThrow();
        lent.put(bytes).flip();
        out.addLent(lent);
    }

    private ByteBuffer window(int member, Slice slice, int number) {
        Slice.Memory where = memory.apply(number);
        return where.buffer(member).window(where.index(member, slice.from()), slice.count());
    }

    private DType dtype() {
        DType dtype = entry.call.dtype();
        if (dtype == null) {
            throw new IllegalStateException(entry.call.describe() + " moves nothing");
        }
        return dtype;
    }
}
