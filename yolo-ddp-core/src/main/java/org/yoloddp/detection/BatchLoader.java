package org.yoloddp.detection;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.error.YoloDdpException;

/**
 * Loads batches ahead on threads of its own, and hands them out in order. Used by one thread.
 *
 * <p>Threads share the images of a batch, not the batches, so that the next one is ready as early
 * as possible. At most {@code prefetch} batches are ready or under way.
 */
final class BatchLoader implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(BatchLoader.class);
    private static final Duration SHUTDOWN = Duration.ofSeconds(10);

    /** For threads that were late already: the failure is known, and should be seen. */
    private static final Duration SHUTDOWN_LATE = Duration.ofMillis(100);

    private final List<BatchRequest> requests;
    private final SampleLoader loader;
    private final Duration deadline;
    private final ExecutorService threads;
    private final Deque<Pending> pending = new ArrayDeque<>();
    private final Deque<ByteBuffer> free = new ArrayDeque<>();
    private final int prefetch;
    private final int bufferBytes;
    private @Nullable ByteBuffer lent;
    private int submitted;
    private boolean tooLate;
    private boolean closed;

    /** Makes one image of a batch. */
    interface SampleLoader {

        ImageSample load(int index, int width, int height);

        Path path(int index);
    }

    /** A batch under way. */
    private final class Pending {

        final BatchRequest request;
        final ByteBuffer rgb;
        final ImageSample[] samples;
        final CountDownLatch missing;
        final AtomicReference<@Nullable YoloDdpException> failure = new AtomicReference<>();

        Pending(BatchRequest request, ByteBuffer rgb) {
            this.request = request;
            this.rgb = rgb;
            this.samples = new ImageSample[request.size()];
            this.missing = new CountDownLatch(request.size());
        }

        void load(int position) {
            int index = request.indices()[position];
            try {
                if (failure.get() == null) {
                    ImageSample sample = loader.load(index, request.width(), request.height());
                    rgb.put(position * request.imageBytes(), sample.image().rgb());
                    samples[position] = sample;
                }
            } catch (YoloDdpException e) {
                failure.compareAndSet(null, e);
            } catch (Throwable e) {
                failure.compareAndSet(null, DatasetException.loadingFailed(loader.path(index), e));
            } finally {
                missing.countDown();
            }
        }

        /** The images that are not there yet. */
        List<Path> late() {
            List<Path> result = new ArrayList<>();
            for (int i = 0; i < samples.length; i++) {
                if (samples[i] == null) {
                    result.add(loader.path(request.indices()[i]));
                }
            }
            return result;
        }
    }

    BatchLoader(
            String name,
            List<BatchRequest> requests,
            SampleLoader loader,
            int workers,
            int prefetch,
            Duration deadline) {
        this.requests = requests;
        this.loader = loader;
        this.prefetch = prefetch;
        this.deadline = deadline;
        this.bufferBytes =
                requests.stream().mapToInt(r -> r.size() * r.imageBytes()).max().orElse(0);
        AtomicInteger number = new AtomicInteger();
        this.threads =
                Executors.newFixedThreadPool(
                        workers,
                        task -> {
                            Thread thread = new Thread(task, name + "-" + number.getAndIncrement());
                            thread.setDaemon(true);
                            return thread;
                        });
        try {
            submit();
        } catch (Throwable t) {
            // out of memory for the first batches: nobody will close what wasn't made
            threads.shutdownNow();
            throw t;
        }
    }

    private void submit() {
        while (submitted < requests.size() && pending.size() < prefetch) {
            ByteBuffer rgb = free.poll();
            if (rgb == null) {
                rgb = ByteBuffer.allocateDirect(bufferBytes);
            }
            Pending batch = new Pending(requests.get(submitted++), rgb);
            pending.add(batch);
            for (int i = 0; i < batch.samples.length; i++) {
                int position = i;
                threads.execute(() -> batch.load(position));
            }
        }
    }

    LoadedBatch next() {
        if (closed) {
            throw new IllegalStateException("the batches are closed");
        }
        if (lent != null) {
            free.add(lent);
            lent = null;
        }
        submit();
        Pending batch = pending.poll();
        if (batch == null) {
            throw new NoSuchElementException("all " + requests.size() + " batches were loaded");
        }
        await(batch);
        submit();
        lent = batch.rgb;
        BatchRequest request = batch.request;
        return new LoadedBatch(
                Arrays.asList(batch.samples),
                request.width(),
                request.height(),
                batch.rgb.slice(0, request.size() * request.imageBytes()));
    }

    private void await(Pending batch) {
        try {
            if (!batch.missing.await(deadline.toNanos(), TimeUnit.NANOSECONDS)) {
                List<Path> late = batch.late();
                if (!late.isEmpty()) {
                    tooLate = true;
                    throw DatasetException.tooSlow(deadline, late);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw DatasetException.interrupted(batch.late());
        }
        YoloDdpException failure = batch.failure.get();
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        threads.shutdownNow();
        Duration time = tooLate ? SHUTDOWN_LATE : SHUTDOWN;
        try {
            if (!threads.awaitTermination(time.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("a loader thread did not end within {} ms and is left", time.toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
