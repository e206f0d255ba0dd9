package org.yoloddp.comm.testing;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.Operation;
import org.yoloddp.comm.Work;

/**
 * A communicator that misbehaves at chosen calls, to test what the code above does about it. Calls
 * are counted from 0: collectives, messages, barriers and splits.
 *
 * <pre>{@code
 * InProcessGroup.run(
 *         2,
 *         communicator -> {
 *             Communicator faulty =
 *                     communicator.rank() == 1
 *                             ? FaultInjector.around(communicator).failAt(3)
 *                             : communicator;
 *             return train(faulty);
 *         },
 *         Duration.ofSeconds(10));
 * }</pre>
 */
public final class FaultInjector extends ForwardingCommunicator {

    private final AtomicLong calls = new AtomicLong();
    private final Map<Long, Duration> delays = new HashMap<>();
    private long failAt = -1;
    private long leaveAt = -1;
    private long corruptAt = -1;

    private FaultInjector(Communicator inner) {
        super(inner);
    }

    /**
     * Wraps a communicator without any fault.
     *
     * @param communicator what to wrap
     * @return the wrapper
     */
    public static FaultInjector around(Communicator communicator) {
        return new FaultInjector(communicator);
    }

    /**
     * Makes a submission late.
     *
     * @param call the number of the call
     * @param delay how long the submission takes
     * @return this
     */
    public FaultInjector delayAt(long call, Duration delay) {
        delays.put(call, delay);
        return this;
    }

    /**
     * Throws an {@link InjectedFaultException} instead of submitting, as if the rank's own code had
     * failed there.
     *
     * @param call the number of the call
     * @return this
     */
    public FaultInjector failAt(long call) {
        this.failAt = call;
        return this;
    }

    /**
     * Leaves the group without a word instead of submitting, and throws an {@link
     * InjectedFaultException}.
     *
     * @param call the number of the call
     * @return this
     */
    public FaultInjector leaveAt(long call) {
        this.leaveAt = call;
        return this;
    }

    /**
     * Flips the lowest bit of the first byte of the result, on this rank only, when the work is
     * first found done.
     *
     * @param call the number of the call
     * @return this
     */
    public FaultInjector corruptAt(long call) {
        this.corruptAt = call;
        return this;
    }

    @Override
    protected Work submit(
            Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective) {
        long number = next(call.tag());
        Work work = collective.get();
        boolean damaged =
                number == corruptAt
                        && buffer != null
                        && buffer.count() > 0
                        && call.operation() != Operation.SEND;
        return damaged ? new CorruptWork(work, buffer) : work;
    }

    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        next(name);
        return super.split(name, ranks);
    }

    private long next(String tag) {
        long call = calls.getAndIncrement();
        Duration delay = delays.get(call);
        if (delay != null) {
            long end = System.nanoTime() + delay.toNanos();
            for (long left = delay.toNanos();
                    left > 0 && !Thread.currentThread().isInterrupted();
                    left = end - System.nanoTime()) {
                LockSupport.parkNanos(this, left);
            }
        }
        if (call == failAt) {
            throw InjectedFaultException.of("failure", call, tag);
        }
        if (call == leaveAt) {
            close();
            throw InjectedFaultException.of("left the group", call, tag);
        }
        return call;
    }

    /** Work whose result is damaged once it is there. */
    private static final class CorruptWork implements Work {

        private final Work inner;
        private final CommBuffer buffer;
        private final AtomicBoolean corrupted = new AtomicBoolean();

        CorruptWork(Work inner, CommBuffer buffer) {
            this.inner = inner;
            this.buffer = buffer;
        }

        @Override
        public void await(Duration deadline) {
            inner.await(deadline);
            corrupt();
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            inner.orderBefore(consumer);
            corrupt();
        }

        @Override
        public boolean isDone() {
            boolean done = inner.isDone();
            if (done && inner.failure().isEmpty()) {
                corrupt();
            }
            return done;
        }

        @Override
        public Optional<Throwable> failure() {
            return inner.failure();
        }

        @Override
        public boolean whenEnded(Runnable action) {
            return inner.whenEnded(action);
        }

        private void corrupt() {
            if (corrupted.compareAndSet(false, true)) {
                ByteBuffer bytes = buffer.slice(0, 1).bytes();
                bytes.put(0, (byte) (bytes.get(0) ^ 1));
            }
        }
    }
}
