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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes batches ahead on the host, in order, on one thread of its own, so that the step need not
 * wait for them. Used by one thread.
 */
final class BatchesAhead implements BatchStream {

    private static final Logger LOG = LoggerFactory.getLogger(BatchesAhead.class);
    private static final Duration SHUTDOWN = Duration.ofSeconds(10);

    private final BatchPlan plan;
    private final Maker maker;
    private final Duration deadline;
    private final NDManager manager;
    private final ExecutorService thread;
    private final Deque<Future<TrainingBatch>> ahead = new ArrayDeque<>();
    private int submitted;
    private int given;
    private boolean closed;

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
        thread =
                Executors.newSingleThreadExecutor(
                        task -> {
                            Thread made = new Thread(task, name(plan));
                            made.setDaemon(true);
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
            ahead.add(thread.submit(() -> maker.make(manager, batch)));
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
            throw LateBatchException.tooSlow(plan, given, deadline);
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
        thread.shutdownNow();
        if (hasEnded()) {
            manager.close();
        } else {
            LOG.warn(
                    "{} is still reading a sample; it is left with the memory of its batches",
                    name(plan));
        }
    }

    private boolean hasEnded() {
        try {
            return thread.awaitTermination(SHUTDOWN.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
