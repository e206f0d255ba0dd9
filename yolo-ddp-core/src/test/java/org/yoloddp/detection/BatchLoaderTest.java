package org.yoloddp.detection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;

class BatchLoaderTest {

    private static final Duration DEADLINE = Duration.ofSeconds(20);

    private final AtomicInteger loaded = new AtomicInteger();

    @Test
    void batchesComeInOrderWhateverTheNumberOfThreads() {
        for (int workers : new int[] {1, 2, 5}) {
            try (BatchLoader loader = loader(workers, 2, DEADLINE, index -> {})) {
                assertThat(indices(loader.next())).containsExactly(4, 2, 2);
                LoadedBatch second = loader.next();
                assertThat(indices(second)).containsExactly(0, 1, 3);
                assertThat(second.rgb().get(0)).isEqualTo((byte) 0);
                assertThat(second.rgb().get(2 * 12)).isEqualTo((byte) 3);
                assertThat(second.rgb().remaining()).isEqualTo(3 * 12);
                LoadedBatch last = loader.next();
                assertThat(indices(last)).containsExactly(5);
                assertThat(last.rgb().remaining()).isEqualTo(12);
                assertThatThrownBy(loader::next)
                        .isInstanceOf(NoSuchElementException.class)
                        .hasMessage("all 3 batches were loaded");
            }
        }
    }

    @Test
    void noMoreThanThePrefetchedBatchesAreLoadedAhead() throws InterruptedException {
        CountDownLatch firstTwo = new CountDownLatch(6);
        try (BatchLoader loader = loader(2, 2, DEADLINE, index -> firstTwo.countDown())) {
            assertThat(firstTwo.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(loaded).hasValueLessThanOrEqualTo(6);
            loader.next();
            loader.next();
            loader.next();
            assertThat(loaded).hasValue(7);
        }
    }

    @Test
    void aFailureNamesTheFile() {
        IntConsumer failing =
                index -> {
                    if (index == 1) {
                        throw new StackOverflowError("deep");
                    }
                };
        try (BatchLoader loader = loader(2, 2, DEADLINE, failing)) {
            loader.next();
            assertThatThrownBy(loader::next)
                    .isInstanceOf(DatasetException.class)
                    .hasMessage(
                            "cannot load the image image1.png: java.lang.StackOverflowError: deep")
                    .hasCauseInstanceOf(StackOverflowError.class);
        }
    }

    @Test
    void aStuckThreadNamesTheFileThatIsMissing() {
        CountDownLatch never = new CountDownLatch(1);
        try (BatchLoader loader =
                loader(1, 1, Duration.ofMillis(50), index -> awaitOrInterrupted(never))) {
            assertThatThrownBy(loader::next)
                    .isInstanceOf(DatasetException.class)
                    .hasMessage(
                            "no batch within 0.05 s, 3 of its images are missing, the first is"
                                    + " image4.png; is the disk slow, or a transform stuck? The"
                                    + " data deadline can be raised");
        }
        assertThat(remaining()).isEmpty();
    }

    @Test
    void anInterruptEndsTheWaitAndIsKept() {
        CountDownLatch never = new CountDownLatch(1);
        try (BatchLoader loader = loader(1, 1, DEADLINE, index -> awaitOrInterrupted(never))) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(loader::next)
                    .isInstanceOf(DatasetException.class)
                    .hasMessage("interrupted while 3 images of a batch were being loaded");
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void closingEarlyLeavesNoThread() {
        BatchLoader loader = loader(3, 2, DEADLINE, index -> {});
        loader.next();
        assertThat(threads()).isNotEmpty();
        loader.close();
        loader.close();

        assertThat(remaining()).isEmpty();
        assertThatThrownBy(loader::next).isInstanceOf(IllegalStateException.class);
    }

    private static void awaitOrInterrupted(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The threads that do not end; a pool calls itself ended when they are about to. */
    private static List<Thread> remaining() {
        for (Thread thread : threads()) {
            try {
                thread.join(5_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return threads();
    }

    private static List<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("test-loader"))
                .toList();
    }

    private static List<Integer> indices(LoadedBatch batch) {
        List<Integer> result = new ArrayList<>();
        batch.samples().forEach(sample -> result.add(sample.index()));
        return result;
    }

    private BatchLoader loader(int workers, int prefetch, Duration deadline, IntConsumer before) {
        BatchLoader.SampleLoader samples =
                new BatchLoader.SampleLoader() {
                    @Override
                    public ImageSample load(int index, int width, int height) {
                        before.accept(index);
                        loaded.incrementAndGet();
                        byte[] pixels = new byte[width * height * 3];
                        Arrays.fill(pixels, (byte) index);
                        return new ImageSample(
                                index,
                                new PixelImage(width, height, pixels),
                                new float[0][],
                                new Placement(width, height, 1, 0, 0));
                    }

                    @Override
                    public Path path(int index) {
                        return Path.of("image" + index + ".png");
                    }
                };
        List<BatchRequest> requests =
                List.of(
                        new BatchRequest(new int[] {4, 2, 2}, 2, 2),
                        new BatchRequest(new int[] {0, 1, 3}, 2, 2),
                        new BatchRequest(new int[] {5}, 2, 2));
        return new BatchLoader("test-loader", requests, samples, workers, prefetch, deadline);
    }
}
