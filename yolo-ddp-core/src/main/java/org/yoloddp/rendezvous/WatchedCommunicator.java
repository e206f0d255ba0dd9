package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * A communicator whose rank is watched by a failure channel: the channel learns what the rank does,
 * and every failure ends with the root cause that the channel tells to all ranks.
 */
final class WatchedCommunicator implements Communicator {

    /** A decision follows a failure within the moment that accusations are held back. */
    private static final Duration DECISION = Duration.ofSeconds(2);

    private final Communicator communicator;
    private final FailureChannel channel;
    private final AutoCloseable after;
    private final AtomicLong sequence = new AtomicLong();
    private final AtomicBoolean closed = new AtomicBoolean();

    WatchedCommunicator(Communicator communicator, FailureChannel channel, AutoCloseable after) {
        this.communicator = communicator;
        this.channel = channel;
        this.after = after;
    }

    private final class WatchedWork implements Work {

        private final Work work;
        private final Fingerprint call;

        WatchedWork(Work work, Fingerprint call) {
            this.work = work;
            this.call = call;
        }

        @Override
        public void await(Duration deadline) {
            waitFor(
                    call,
                    () -> {
                        work.await(deadline);
                        return true;
                    });
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            waitFor(
                    call,
                    () -> {
                        work.orderBefore(consumer);
                        return true;
                    });
        }

        @Override
        public boolean isDone() {
            return work.isDone();
        }

        @Override
        public Optional<Throwable> failure() {
            Optional<Throwable> own = work.failure();
            return own.isPresent() && channel.failure().isPresent()
                    ? channel.failure().map(failure -> failure)
                    : own;
        }

        @Override
        public boolean whenEnded(Runnable action) {
            return work.whenEnded(action);
        }
    }

    private <T> T waitFor(Fingerprint call, Supplier<T> wait) {
        channel.waiting(call);
        try {
            return wait.get();
        } catch (CommunicationException e) {
            throw rootCause(e);
        } finally {
            channel.finished(call);
        }
    }

    private CommunicationException rootCause(CommunicationException failure) {
        return failure instanceof CommunicatorClosedException
                ? failure
                : channel.settle(failure, DECISION).copy();
    }

    private Fingerprint call(
            Operation operation,
            @Nullable CommBuffer buffer,
            @Nullable ReduceOp op,
            int peer,
            List<Long> counts,
            String tag) {
        return new Fingerprint(
                group(),
                sequence.getAndIncrement(),
                operation,
                buffer == null ? null : buffer.dtype(),
                buffer == null ? 0 : buffer.count(),
                op,
                peer,
                counts,
                tag);
    }

    private static List<Long> list(long[] counts) {
        return Arrays.stream(counts).boxed().toList();
    }

    @Override
    public int rank() {
        return communicator.rank();
    }

    @Override
    public int size() {
        return communicator.size();
    }

    @Override
    public String group() {
        return communicator.group();
    }

    @Override
    public Duration deadline() {
        return communicator.deadline();
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        return communicator.allocate(dtype, count);
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice device, Object owner) {
        return communicator.wrap(address, dtype, count, device, owner);
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.allReduce(buffer, op, producer, tag),
                call(Operation.ALL_REDUCE, buffer, op, -1, List.of(), tag));
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.broadcast(buffer, root, producer, tag),
                call(Operation.BROADCAST, buffer, null, root, List.of(), tag));
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.reduceScatter(buffer, counts, op, producer, tag),
                call(Operation.REDUCE_SCATTER, buffer, op, -1, list(counts), tag));
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.allGather(buffer, counts, producer, tag),
                call(Operation.ALL_GATHER, buffer, null, -1, list(counts), tag));
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.send(buffer, destination, producer, tag),
                call(Operation.SEND, buffer, null, destination, List.of(), tag));
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        return new WatchedWork(
                communicator.recv(buffer, source, producer, tag),
                call(Operation.RECV, buffer, null, source, List.of(), tag));
    }

    @Override
    public Work barrier(String tag) {
        return new WatchedWork(
                communicator.barrier(tag), call(Operation.BARRIER, null, null, -1, List.of(), tag));
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        List<Long> members = Arrays.stream(ranks).mapToLong(rank -> rank).boxed().toList();
        Fingerprint call = call(Operation.SPLIT, null, null, -1, members, name);
        return waitFor(call, () -> communicator.split(name, ranks))
                .map(part -> new WatchedCommunicator(part, channel, () -> {}));
    }

    @Override
    public void progress(String phase, long step) {
        channel.progress(phase, step);
        communicator.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        channel.report(cause);
        communicator.abort(cause);
    }

    @Override
    public void close() {
        try {
            communicator.close();
        } finally {
            if (closed.compareAndSet(false, true)) {
                leave();
            }
        }
    }

    private void leave() {
        try {
            after.close();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("Leaving the job failed", e);
        }
    }
}
