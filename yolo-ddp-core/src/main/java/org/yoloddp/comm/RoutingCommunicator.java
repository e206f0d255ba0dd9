package org.yoloddp.comm;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One rank's membership by two communicators of the same ranks: one for memory of the host, one for
 * memory of the device where the rank computes.
 *
 * <p>Where a buffer lives tells which of the two works on it; barriers are the host's. Each keeps
 * an order of its own: a collective on device memory is not ordered with one on host memory, except
 * that the host can await the one before it submits the other. Progress is told to the host's,
 * which knows the failure channel. The two fail together: {@link #abort} ends both, and so does the
 * failure of a collective of one, as soon as somebody submits to it or waits for it. Thread-safe.
 */
public final class RoutingCommunicator implements Communicator {

    private final Communicator host;
    private final Communicator device;

    private RoutingCommunicator(Communicator host, Communicator device) {
        this.host = host;
        this.device = device;
    }

    /**
     * Joins two communicators of one rank.
     *
     * @param host for buffers on the host, small messages and barriers; its deadline and group's
     *     name are those of the whole; closed with it
     * @param device for all other buffers; closed first
     * @return the communicator for both
     * @throws IllegalArgumentException if they are not the same rank of as many
     */
    public static RoutingCommunicator of(Communicator host, Communicator device) {
        if (host.rank() != device.rank() || host.size() != device.size()) {
            throw new IllegalArgumentException(
                    String.format(
                            Locale.ROOT,
                            "Rank %d of %d on the host cannot be rank %d of %d on its device",
                            host.rank(),
                            host.size(),
                            device.rank(),
                            device.size()));
        }
        return new RoutingCommunicator(host, device);
    }

    private Communicator side(MemoryDevice memory) {
        return memory.isHost() ? host : device;
    }

    private Communicator other(Communicator side) {
        return side == host ? device : host;
    }

    private Work submit(CommBuffer buffer, Function<Communicator, Work> call) {
        return submit(side(buffer.device()), call);
    }

    private Work submit(Communicator side, Function<Communicator, Work> call) {
        return new RoutedWork(failingTogether(side, () -> call.apply(side)), side);
    }

    /** What ends one side ends the other; a side that was closed has not failed. */
    private <T extends @Nullable Object> T failingTogether(Communicator side, Supplier<T> action) {
        try {
            return action.get();
        } catch (CommunicatorClosedException e) {
            throw e;
        } catch (CommunicationException e) {
            other(side).abort(e);
            throw e;
        }
    }

    private final class RoutedWork implements Work {

        private final Work work;
        private final Communicator side;

        RoutedWork(Work work, Communicator side) {
            this.work = work;
            this.side = side;
        }

        private void waitFor(Runnable wait) {
            failingTogether(
                    side,
                    () -> {
                        wait.run();
                        return work;
                    });
        }

        @Override
        public void await(Duration deadline) {
            waitFor(() -> work.await(deadline));
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            waitFor(() -> work.orderBefore(consumer));
        }

        @Override
        public boolean isDone() {
            return work.isDone();
        }

        @Override
        public Optional<Throwable> failure() {
            return work.failure();
        }

        @Override
        public boolean whenEnded(Runnable action) {
            return work.whenEnded(action);
        }
    }

    @Override
    public int rank() {
        return host.rank();
    }

    @Override
    public int size() {
        return host.size();
    }

    @Override
    public String group() {
        return host.group();
    }

    @Override
    public Duration deadline() {
        return host.deadline();
    }

    @Override
    public CommBuffer allocate(DType dtype, long count) {
        return host.allocate(dtype, count);
    }

    @Override
    public CommBuffer allocate(DType dtype, long count, MemoryDevice memory) {
        return side(memory).allocate(dtype, count, memory);
    }

    @Override
    public CommBuffer wrap(
            long address, DType dtype, long count, MemoryDevice memory, Object owner) {
        return side(memory).wrap(address, dtype, count, memory, owner);
    }

    @Override
    public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.allReduce(buffer, op, producer, tag));
    }

    @Override
    public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.broadcast(buffer, root, producer, tag));
    }

    @Override
    public Work reduceScatter(
            CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.reduceScatter(buffer, counts, op, producer, tag));
    }

    @Override
    public Work allGather(CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.allGather(buffer, counts, producer, tag));
    }

    @Override
    public Work send(CommBuffer buffer, int destination, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.send(buffer, destination, producer, tag));
    }

    @Override
    public Work recv(CommBuffer buffer, int source, ComputeStream producer, String tag) {
        return submit(buffer, side -> side.recv(buffer, source, producer, tag));
    }

    @Override
    public Work barrier(String tag) {
        return submit(host, side -> side.barrier(tag));
    }

    /** Splits both; if the second part cannot be made, neither is. */
    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        Optional<Communicator> onHost = failingTogether(host, () -> host.split(name, ranks));
        Optional<Communicator> onDevice;
        try {
            onDevice = device.split(name, ranks);
        } catch (RuntimeException | Error e) {
            host.abort(e);
            onHost.ifPresent(Communicator::close);
            throw e;
        }
        return onHost.flatMap(part -> onDevice.map(other -> of(part, other)));
    }

    @Override
    public void progress(String phase, long step) {
        host.progress(phase, step);
        device.progress(phase, step);
    }

    @Override
    public Optional<CommunicationException> failure() {
        return host.failure().or(device::failure);
    }

    @Override
    public void abort(Throwable cause) {
        try {
            host.abort(cause);
        } finally {
            device.abort(cause);
        }
    }

    @Override
    public void close() {
        try {
            device.close();
        } finally {
            host.close();
        }
    }

    @Override
    public String toString() {
        return host + ", and for device memory " + device;
    }
}
