package org.yoloddp.comm;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.yoloddp.comm.inprocess.InProcessCommunicator;

/**
 * A device that does not exist: its memory is the host's, its work is done at once, but Java may
 * not look into its buffers, and what a collective has computed appears in them as late as it may:
 * when a stream or the host has waited for it. Whoever forgets to wait works on what was there
 * before.
 *
 * <p>A stream is good on the thread that has asked for it and for the device it belongs to; other
 * uses are refused. What was asked of streams and works is counted.
 */
public final class TestDevice {

    /** What the library asked for. */
    public enum Use {
        /** A stream was asked for. */
        CURRENT,
        /** An event was recorded. */
        RECORD,
        /** An event was freed. */
        CLOSE,
        /** A stream was made to wait for a collective. */
        ORDER,
        /** The host waited for a collective. */
        AWAIT
    }

    private final MemoryDevice device;
    private final List<Use> uses = new CopyOnWriteArrayList<>();
    private final AtomicLong events = new AtomicLong();

    /**
     * @param index the device's number
     */
    public TestDevice(int index) {
        device = new MemoryDevice("test", index);
    }

    public MemoryDevice memory() {
        return device;
    }

    /** What was asked for so far, in order. */
    public List<Use> uses() {
        return List.copyOf(uses);
    }

    public long count(Use use) {
        return uses.stream().filter(use::equals).count();
    }

    /** The stream of the calling thread. */
    public ComputeStream current() {
        uses.add(Use.CURRENT);
        return new Queue(Thread.currentThread());
    }

    /** A stream that only has a device. */
    static ComputeStream stream(MemoryDevice device) {
        return new ComputeStream() {
            @Override
            public MemoryDevice device() {
                return device;
            }

            @Override
            public StreamEvent record() {
                throw new AssertionError("nobody records here");
            }

            @Override
            public void waitFor(StreamEvent event) {
                throw new AssertionError("nobody waits here");
            }
        };
    }

    /**
     * A communicator for buffers on this device, and only those.
     *
     * @param inner exchanges the memory behind them; closed with it
     */
    public Communicator communicator(Communicator inner) {
        return new OnDevice(inner);
    }

    /** Groups over two groups in this process: one for the host, one for a device per rank. */
    public static List<Communicator> world(List<TestDevice> devices, Duration deadline) {
        int size = devices.size();
        List<Communicator> host = InProcessCommunicator.group(size, deadline);
        List<Communicator> device = InProcessCommunicator.group(size, deadline);
        return IntStream.range(0, size)
                .<Communicator>mapToObj(
                        r ->
                                RoutingCommunicator.of(
                                        host.get(r), devices.get(r).communicator(device.get(r))))
                .toList();
    }

    private final class Queue implements ComputeStream {

        private final Thread thread;

        Queue(Thread thread) {
            this.thread = thread;
        }

        void check() {
            if (Thread.currentThread() != thread) {
                throw new IllegalStateException(
                        "a stream of " + thread.getName() + " is not that of this thread");
            }
        }

        @Override
        public MemoryDevice device() {
            return device;
        }

        @Override
        public StreamEvent record() {
            check();
            uses.add(Use.RECORD);
            return new Event(events.incrementAndGet());
        }

        @Override
        public void waitFor(StreamEvent event) {
            check();
        }
    }

    private final class Event implements StreamEvent {

        private final long handle;

        Event(long handle) {
            this.handle = handle;
        }

        @Override
        public long handle() {
            return handle;
        }

        @Override
        public boolean hasPassed() {
            return true;
        }

        @Override
        public void close() {
            uses.add(Use.CLOSE);
        }
    }

    /** Exchanges copies, and brings back what came out when somebody waits. */
    private final class OnDevice extends ForwardingCommunicator {

        private final Communicator inner;
        private final Deque<LateWork> pending = new ArrayDeque<>();

        OnDevice(Communicator inner) {
            super(inner);
            this.inner = inner;
        }

        @Override
        public CommBuffer allocate(DType dtype, long count) {
            throw new AssertionError("host memory is the host's communicator's");
        }

        @Override
        public CommBuffer allocate(DType dtype, long count, MemoryDevice memory) {
            check(memory);
            HostBuffer behind = HostBuffer.allocate(dtype, count);
            return DeviceBuffer.own(behind.address(), dtype, count, device, behind, behind::close);
        }

        @Override
        public CommBuffer wrap(
                long address, DType dtype, long count, MemoryDevice memory, Object owner) {
            check(memory);
            return DeviceBuffer.wrap(address, dtype, count, device, owner);
        }

        private void check(MemoryDevice memory) {
            if (!memory.equals(device)) {
                throw UnsupportedBufferException.device(
                        "test", "memory", memory, device.toString());
            }
        }

        private interface Collective {
            Work start(CommBuffer copy);
        }

        private Work run(CommBuffer buffer, ComputeStream producer, Collective collective) {
            check(buffer.device());
            check(producer.device());
            producer.record().close();
            HostBuffer memory =
                    HostBuffer.wrap(buffer.address(), buffer.dtype(), buffer.count(), buffer);
            awaitThoseOn(memory);
            HostBuffer copy = HostBuffer.allocate(buffer.dtype(), buffer.count());
            memory.copyTo(copy, 0, 0, buffer.count());
            synchronized (pending) {
                LateWork work = new LateWork(this, collective.start(copy), copy, memory);
                pending.add(work);
                return work;
            }
        }

        /**
         * Collectives of one group are in order, so the next on the same memory sees the result.
         */
        private void awaitThoseOn(HostBuffer memory) {
            List<LateWork> before;
            synchronized (pending) {
                before = pending.stream().filter(work -> work.overlaps(memory)).toList();
            }
            before.forEach(
                    work -> {
                        work.work.await(deadline());
                        arrive(work);
                    });
        }

        /** Brings the result of a collective, and those of the ones before it, which are done. */
        private void arrive(LateWork last) {
            synchronized (pending) {
                while (pending.contains(last)) {
                    pending.remove().copyBack();
                }
            }
        }

        @Override
        protected Work submit(Fingerprint call, CommBuffer buffer, Supplier<Work> collective) {
            throw new AssertionError("every collective has its own way here");
        }

        @Override
        public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.allReduce(b, op, ComputeStream.HOST, tag));
        }

        @Override
        public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.broadcast(b, root, ComputeStream.HOST, tag));
        }

        @Override
        public Work reduceScatter(
                CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
            return run(
                    buffer,
                    producer,
                    b -> inner.reduceScatter(b, counts, op, ComputeStream.HOST, tag));
        }

        @Override
        public Work allGather(
                CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.allGather(b, counts, ComputeStream.HOST, tag));
        }

        @Override
        public Work send(CommBuffer buffer, int to, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.send(b, to, ComputeStream.HOST, tag));
        }

        @Override
        public Work recv(CommBuffer buffer, int from, ComputeStream producer, String tag) {
            return run(buffer, producer, b -> inner.recv(b, from, ComputeStream.HOST, tag));
        }

        @Override
        public Optional<Communicator> split(String name, int... ranks) {
            return inner.split(name, ranks).map(OnDevice::new);
        }
    }

    private final class LateWork implements Work {

        private final OnDevice group;
        private final Work work;
        private final HostBuffer copy;
        private final HostBuffer memory;

        LateWork(OnDevice group, Work work, HostBuffer copy, HostBuffer memory) {
            this.group = group;
            this.work = work;
            this.copy = copy;
            this.memory = memory;
        }

        boolean overlaps(HostBuffer other) {
            return other.address() < memory.address() + memory.count() * memory.dtype().bytes()
                    && memory.address() < other.address() + other.count() * other.dtype().bytes();
        }

        void copyBack() {
            copy.copyTo(memory, 0, 0, memory.count());
            copy.close();
        }

        @Override
        public void await(Duration deadline) {
            uses.add(Use.AWAIT);
            work.await(deadline);
            group.arrive(this);
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            if (consumer.device().isHost()) {
                await(Duration.ofSeconds(60));
                return;
            }
            ((Queue) consumer).check();
            uses.add(Use.ORDER);
            work.orderBefore(ComputeStream.HOST);
            group.arrive(this);
        }

        @Override
        public boolean isDone() {
            boolean done = work.isDone();
            if (done && work.failure().isEmpty()) {
                group.arrive(this);
            }
            return done;
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

    /**
     * A communicator that puts what callers take for host memory onto the device, so that tests
     * written for the host go the device's way.
     */
    Communicator disguised(Communicator communicator) {
        return new Disguised(communicator);
    }

    private final class Disguised extends ForwardingCommunicator {

        private final Communicator routing;

        Disguised(Communicator routing) {
            super(routing);
            this.routing = routing;
        }

        @Override
        protected Work submit(Fingerprint call, CommBuffer buffer, Supplier<Work> collective) {
            return collective.get();
        }

        @Override
        public CommBuffer allocate(DType dtype, long count) {
            return new Window(routing.allocate(dtype, count, device));
        }

        @Override
        public CommBuffer wrap(
                long address, DType dtype, long count, MemoryDevice memory, Object owner) {
            return new Window(routing.wrap(address, dtype, count, device, owner));
        }

        @Override
        public Work allReduce(CommBuffer buffer, ReduceOp op, ComputeStream producer, String tag) {
            return routing.allReduce(buffer, op, current(), tag);
        }

        @Override
        public Work broadcast(CommBuffer buffer, int root, ComputeStream producer, String tag) {
            return routing.broadcast(buffer, root, current(), tag);
        }

        @Override
        public Work reduceScatter(
                CommBuffer buffer, long[] counts, ReduceOp op, ComputeStream producer, String tag) {
            return routing.reduceScatter(buffer, counts, op, current(), tag);
        }

        @Override
        public Work allGather(
                CommBuffer buffer, long[] counts, ComputeStream producer, String tag) {
            return routing.allGather(buffer, counts, current(), tag);
        }

        @Override
        public Work send(CommBuffer buffer, int to, ComputeStream producer, String tag) {
            return routing.send(buffer, to, current(), tag);
        }

        @Override
        public Work recv(CommBuffer buffer, int from, ComputeStream producer, String tag) {
            return routing.recv(buffer, from, current(), tag);
        }

        @Override
        public Optional<Communicator> split(String name, int... ranks) {
            return routing.split(name, ranks).map(Disguised::new);
        }
    }

    /** Device memory that a test may look into. */
    private record Window(CommBuffer buffer) implements CommBuffer {

        @Override
        public long address() {
            return buffer.address();
        }

        @Override
        public long count() {
            return buffer.count();
        }

        @Override
        public DType dtype() {
            return buffer.dtype();
        }

        @Override
        public MemoryDevice device() {
            return buffer.device();
        }

        @Override
        public Object owner() {
            return buffer;
        }

        @Override
        public CommBuffer slice(long from, long count) {
            return new Window(buffer.slice(from, count));
        }

        @Override
        public ByteBuffer bytes() {
            return HostBuffer.wrap(address(), dtype(), count(), buffer).bytes();
        }

        @Override
        public void close() {
            buffer.close();
        }
    }
}
