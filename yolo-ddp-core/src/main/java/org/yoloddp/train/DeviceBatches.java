package org.yoloddp.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.StreamEvent;
import org.yoloddp.torch.DeviceStream;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.SideStream;

/**
 * Brings batches to a GPU while the step before computes: on a thread of its own, by pinned memory
 * and a stream of its own, so that neither the rank's thread nor the device waits for a copy. One
 * batch is there ahead, and one under way. Used by one thread.
 */
final class DeviceBatches implements BatchStream {

    private static final Logger LOG = LoggerFactory.getLogger(DeviceBatches.class);
    private static final Duration SHUTDOWN = Duration.ofSeconds(10);
    private static final int AHEAD = 2;

    private final BatchStream source;
    private final MemoryDevice device;
    private final BatchPlan plan;
    private final Supplier<ComputeStream> stream;
    private final NDManager manager;
    private final ExecutorService thread;
    private final Deque<Future<Brought>> ahead = new ArrayDeque<>();

    /** The thread's: whether it has its stream. */
    private boolean begun;

    private int submitted;
    private int given;
    private boolean closed;

    /** A batch, and what passes when it is there. */
    private record Brought(TrainingBatch batch, StreamEvent there) {}

    /**
     * @param source used by a thread of this from now on, and closed with it
     * @param device where the batches go
     * @param stream the stream of the thread that brings them
     */
    DeviceBatches(
            BatchStream source,
            BatchPlan plan,
            MemoryDevice device,
            Supplier<ComputeStream> stream) {
        this.source = source;
        this.device = device;
        this.plan = plan;
        this.stream = stream;
        // Not of the rank's own family: a thread that is left behind may still write there.
        manager = NDManager.newBaseManager(plan.rank().device());
        thread =
                Executors.newSingleThreadExecutor(
                        task -> {
                            Thread made =
                                    new Thread(
                                            task,
                                            "yolo-ddp-batches-to-device-" + plan.rank().rank());
                            made.setDaemon(true);
                            return made;
                        });
        submit();
    }

    /** Brings batches to the rank's device; does nothing where that is the host. */
    static BatchStream around(BatchStream source, BatchPlan plan) {
        MemoryDevice device = Devices.memory(plan.rank().device());
        return device.isHost()
                ? source
                : new DeviceBatches(source, plan, device, () -> DeviceStream.current(device));
    }

    private void submit() {
        while (submitted < plan.batches() && ahead.size() < AHEAD) {
            submitted++;
            ahead.add(thread.submit(this::bring));
        }
    }

    private Brought bring() {
        if (!begun) {
            SideStream.begin(device);
            begun = true;
        }
        TrainingBatch batch = source.next(manager);
        TrainingBatch there =
                new TrainingBatch(onDevice(batch.data()), onDevice(batch.labels()), batch.size());
        return new Brought(there, stream.get().record());
    }

    private NDList onDevice(NDList arrays) {
        NDList there = new NDList(arrays.size());
        for (NDArray array : arrays) {
            NDArray moved = SideStream.toDevice(manager, array);
            moved.setName(array.getName());
            there.add(moved);
            if (moved != array) {
                array.close();
            }
        }
        return there;
    }

    @Override
    public TrainingBatch next(NDManager owner) {
        Future<Brought> next = ahead.poll();
        if (closed || next == null) {
            throw new NoSuchElementException("the epoch has no more batches");
        }
        Brought brought = await(next);
        given++;
        submit();
        try (StreamEvent there = brought.there()) {
            takeOver(brought.batch().data(), there, owner);
            takeOver(brought.batch().labels(), there, owner);
        }
        return brought.batch();
    }

    private static void takeOver(NDList arrays, StreamEvent there, NDManager owner) {
        arrays.forEach(array -> SideStream.takeOver(array, there));
        arrays.attach(owner);
    }

    /** The source has the data's deadline itself, and tells more when it is over. */
    private Brought await(Future<Brought> next) {
        Duration deadline = plan.rank().deadlines().data();
        try {
            return next.get(deadline.plus(SHUTDOWN).toNanos(), TimeUnit.NANOSECONDS);
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
            ahead.forEach(DeviceBatches::drop);
            source.close();
            manager.close();
        } else {
            LOG.warn(
                    "rank {} is still bringing a batch to its device; its thread is left with the"
                            + " memory of its batches",
                    plan.rank().rank());
        }
    }

    private static void drop(Future<Brought> unused) {
        try {
            unused.get(0, TimeUnit.NANOSECONDS).there().close();
        } catch (ExecutionException | TimeoutException | CancellationException e) {
            LOG.debug("A batch that nobody wants any more has not come", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
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
