package org.yoloddp.train;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.NoSuchElementException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes batches ahead on the host, in order, on one thread of its own, so that the step need not
 * wait for them. Used by one thread.
 */
final class BatchesAhead implements BatchStream {

    private static final Logger LOG = LoggerFactory.getLogger(BatchesAhead.class);
    private static final Duration SHUTDOWN = Duration.ofSeconds(10);

    /** For one that was late already: the failure is known, and should be seen. */
    private static final Duration SHUTDOWN_LATE = Duration.ofMillis(100);

    private final BatchPlan plan;
    private final Maker maker;
    private final Duration deadline;
    private final NDManager manager;
    private final ExecutorService executor;
    private final Deque<Future<TrainingBatch>> ahead = new ArrayDeque<>();
    private int submitted;
    private int given;
    private boolean late;
    private boolean closed;
    private volatile @Nullable Thread thread;

    /** Makes one batch. */
    interface Maker {

        TrainingBatch make(NDManager manager, int batch);
    }

    BatchesAhead(BatchPlan plan, Maker maker) {
        this.plan = plan;
        this.maker = maker;
        deadline = plan.rank().deadlines().data();
        // Not of the rank's own family: a thread that is left behind may still write there.
        manager = NDManager.newBaseManager(Device.cpu());
        executor =
                Executors.newSingleThreadExecutor(
                        task -> {
                            Thread made = new Thread(task, name(plan));
                            made.setDaemon(true);
                            thread = made;
                            return made;
                        });
        submit();
    }

    private static String name(BatchPlan plan) {
        return "yolo-ddp-batches-" + plan.rank().rank();
    }

    private void submit() {
        while (submitted < plan.batches() && ahead.size() < plan.loading().prefetch()) {
            int batch = submitted++;
            ahead.add(executor.submit(() -> maker.make(manager, batch)));
        }
    }

    @Override
    public TrainingBatch next(NDManager owner) {
        Future<TrainingBatch> next = ahead.poll();
        if (closed || next == null) {
            throw new NoSuchElementException("the epoch has no more batches");
        }
        TrainingBatch batch = await(next);
        given++;
        submit();
        batch.data().attach(owner);
        batch.labels().attach(owner);
        return batch;
    }

    private TrainingBatch await(Future<TrainingBatch> next) {
        try {
            return next.get(deadline.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw Failures.rethrow(e.getCause());
        } catch (TimeoutException e) {
            late = true;
            Thread loader = thread;
            throw loader == null
                    ? LateBatchException.tooSlow(plan, given, deadline)
                    : LateBatchException.tooSlow(plan, given, deadline, loader.getStackTrace());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw LateBatchException.interrupted(plan, given);
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        executor.shutdownNow();
        if (hasEnded()) {
            manager.close();
        } else {
            LOG.warn(
                    "{} is still reading a sample; it is left with the memory of its batches",
                    name(plan));
        }
    }

    private boolean hasEnded() {
        Duration time = late ? SHUTDOWN_LATE : SHUTDOWN;
        try {
            return executor.awaitTermination(time.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
