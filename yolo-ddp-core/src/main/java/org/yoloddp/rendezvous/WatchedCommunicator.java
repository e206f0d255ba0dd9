package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorClosedException;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Work;

/**
 * A communicator whose rank is watched by a failure channel: the channel learns what the rank does,
 * and every failure ends with the root cause that the channel tells to all ranks.
 */
final class WatchedCommunicator extends ForwardingCommunicator {

    /** A decision follows a failure within the moment that accusations are held back. */
    private static final Duration DECISION = Duration.ofSeconds(2);

    private final FailureChannel channel;
    private final AutoCloseable after;
    private final AtomicBoolean closed = new AtomicBoolean();

    WatchedCommunicator(Communicator communicator, FailureChannel channel, AutoCloseable after) {
        super(communicator);
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

    @Override
    protected Work submit(
            Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective) {
        return new WatchedWork(collective.get(), call);
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        List<Long> members = Arrays.stream(ranks).mapToLong(rank -> rank).boxed().toList();
        Fingerprint call = call(Operation.SPLIT, null, null, -1, members, name);
        return waitFor(call, () -> super.split(name, ranks))
                .map(part -> new WatchedCommunicator(part, channel, () -> {}));
    }

    @Override
    public void progress(String phase, long step) {
        channel.progress(phase, step);
        super.progress(phase, step);
    }

    @Override
    public void abort(Throwable cause) {
        channel.report(cause);
        super.abort(cause);
    }

    @Override
    public Optional<CommunicationException> failure() {
        return channel.failure();
    }

    @Override
    public void close() {
        try {
            super.close();
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
