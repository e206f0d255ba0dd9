package org.yoloddp.comm.testing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CollectiveTimeoutException;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.Fingerprint;
import org.yoloddp.comm.ForwardingCommunicator;
import org.yoloddp.comm.Work;

/**
 * A communicator with a slow line: collectives go one after the other, each after a delay on a
 * thread of its own, while the rank computes. It costs time but no processor, so it shows whether
 * communication hides behind computation. All ranks of a group wrap theirs.
 *
 * <pre>{@code
 * Communicator slow =
 *         SlowCommunicator.around(
 *                 communicator, Duration.ofMillis(20), tag -> tag.startsWith("bucket"));
 * }</pre>
 */
public final class SlowCommunicator extends ForwardingCommunicator {

    private final Duration delay;
    private final Predicate<String> delayed;
    private final ThreadPoolExecutor line;
    private volatile boolean aborted;

    private SlowCommunicator(Communicator inner, Duration delay, Predicate<String> delayed) {
        super(inner);
        this.delay = delay;
        this.delayed = delayed;
        this.line =
                new ThreadPoolExecutor(
                        1,
                        1,
                        0,
                        TimeUnit.SECONDS,
                        new LinkedBlockingQueue<>(),
                        task -> {
                            Thread thread = new Thread(task, "yolo-ddp-slow-" + inner.rank());
                            thread.setDaemon(true);
                            return thread;
                        });
    }

    /**
     * Wraps a communicator.
     *
     * @param communicator what to wrap; closed with the wrapper
     * @param delay how long a collective waits before it begins
     * @param delayed the tags of the collectives that wait; the others only keep their place
     * @return the wrapper
     */
    public static SlowCommunicator around(
            Communicator communicator, Duration delay, Predicate<String> delayed) {
        return new SlowCommunicator(communicator, delay, delayed);
    }

    /** Waits for what was submitted before; the new group is as fast as it is. */
    @Override
    public Optional<Communicator> split(String name, int... ranks) {
        barrier("before the split '" + name + "'").await(deadline());
        return super.split(name, ranks);
    }

    @Override
    public void abort(Throwable cause) {
        aborted = true;
        super.abort(cause);
    }

    @Override
    public void close() {
        aborted = true;
        line.shutdown();
        boolean interrupted = false;
        try {
            line.awaitTermination(deadline().toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        super.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    protected Work submit(
            Fingerprint call, @Nullable CommBuffer buffer, Supplier<Work> collective) {
        SlowWork work = new SlowWork(call);
        line.execute(() -> work.run(collective));
        return work;
    }

    /** Passes the delay without a processor; an abort of this rank ends it. */
    private void pass(String tag) {
        long end = System.nanoTime() + delay.toNanos();
        long left = delayed.test(tag) ? delay.toNanos() : 0;
        while (left > 0 && !aborted) {
            LockSupport.parkNanos(this, Math.min(left, 5_000_000));
            left = end - System.nanoTime();
        }
    }

    private final class SlowWork implements Work {

        private final Fingerprint call;
        private final CompletableFuture<@Nullable RuntimeException> end = new CompletableFuture<>();

        /** Null once the collective has ended. */
        private @Nullable List<Runnable> watchers = new ArrayList<>();

        SlowWork(Fingerprint call) {
            this.call = call;
        }

        void run(Supplier<Work> collective) {
            RuntimeException failure = null;
            try {
                pass(call.tag());
                collective.get().await(deadline());
            } catch (RuntimeException e) {
                failure = e;
            } finally {
                List<Runnable> told;
                synchronized (this) {
                    told = watchers;
                    watchers = null;
                }
                if (told != null) {
                    told.forEach(Runnable::run);
                }
                end.complete(failure);
            }
        }

        @Override
        public void await(Duration wait) {
            long until = System.nanoTime() + wait.toNanos();
            boolean interrupted = false;
            boolean late = false;
            while (!end.isDone()) {
                try {
                    end.get(Math.max(1, until - System.nanoTime()), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (TimeoutException e) {
                    if (late) {
                        break;
                    }
                    // What is running in the inner group ends by this, and releases its buffers.
                    late = true;
                    abort(CollectiveTimeoutException.of(call, wait, List.of(), List.of(rank())));
                    until = System.nanoTime() + deadline().toNanos();
                } catch (ExecutionException e) {
                    throw new IllegalStateException("a failure is a value here", e);
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            if (!end.isDone()) {
                throw CollectiveTimeoutException.of(call, wait, List.of(), List.of(rank()));
            }
            RuntimeException failure = end.getNow(null);
            if (failure != null) {
                throw failure;
            }
        }

        @Override
        public void orderBefore(ComputeStream consumer) {
            await(deadline());
        }

        @Override
        public boolean isDone() {
            return end.isDone();
        }

        @Override
        public Optional<Throwable> failure() {
            return Optional.ofNullable(end.getNow(null));
        }

        @Override
        public boolean whenEnded(Runnable action) {
            synchronized (this) {
                if (watchers != null) {
                    watchers.add(action);
                    return true;
                }
            }
            action.run();
            return true;
        }
    }
}
