package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.torch.TorchRuntime;

@Tag("torch")
@Timeout(60)
class BatchesAheadTest {

    static {
        TorchRuntime.start();
    }

    private final NDManager manager = NDManager.newBaseManager();
    private final Communicator alone =
            InProcessCommunicator.group(1, Duration.ofSeconds(10)).get(0);
    private final CountDownLatch released = new CountDownLatch(1);

    @AfterEach
    void close() {
        released.countDown();
        alone.close();
        manager.close();
    }

    private BatchPlan plan(int samples, int prefetch, Duration deadline) {
        RankContext rank =
                new RankContext(
                        0,
                        1,
                        0,
                        1,
                        Device.cpu(),
                        1,
                        0,
                        alone,
                        manager,
                        Deadlines.defaults().withData(deadline));
        return new BatchPlan(
                rank, 3, new int[samples], 2, Loading.defaults().withPrefetch(prefetch));
    }

    private static TrainingBatch numbered(NDManager owner, int batch) {
        return new TrainingBatch(
                new NDList(owner.create(new float[] {batch})),
                new NDList(owner.create(new float[] {-batch})),
                2);
    }

    @Test
    void givesBatchesInOrderAndToTheirOwner() {
        try (BatchesAhead batches =
                new BatchesAhead(plan(9, 2, Duration.ofSeconds(30)), BatchesAheadTest::numbered)) {
            for (int i = 0; i < 5; i++) {
                NDArray kept;
                try (NDManager step = manager.newSubManager()) {
                    TrainingBatch batch = batches.next(step);
                    kept = batch.data().head();
                    assertThat(kept.getFloat()).isEqualTo(i);
                    assertThat(batch.labels().head().getFloat()).isEqualTo(-i);
                }
                assertThat(kept.isReleased()).isTrue();
            }
            assertThatThrownBy(() -> batches.next(manager))
                    .isInstanceOf(NoSuchElementException.class);
        }
    }

    @Test
    void makesTheNextBatchesDuringTheStepButNotMoreThanAsked() throws InterruptedException {
        CountDownLatch third = new CountDownLatch(3);
        AtomicInteger made = new AtomicInteger();
        try (BatchesAhead batches =
                new BatchesAhead(
                        plan(20, 2, Duration.ofSeconds(30)),
                        (owner, batch) -> {
                            made.incrementAndGet();
                            third.countDown();
                            return numbered(owner, batch);
                        })) {
            batches.next(manager);
            // The step: nobody asks for a batch, and two are made.
            assertThat(third.await(30, TimeUnit.SECONDS)).isTrue();
            assertThat(made).hasValueLessThanOrEqualTo(3);
        }
    }

    @Test
    void freesWhatWasMadeAheadAndNotTaken() {
        AtomicInteger made = new AtomicInteger();
        NDArray[] ahead = new NDArray[4];
        BatchesAhead batches =
                new BatchesAhead(
                        plan(8, 4, Duration.ofSeconds(30)),
                        (owner, batch) -> {
                            TrainingBatch result = numbered(owner, batch);
                            ahead[batch] = result.data().head();
                            made.incrementAndGet();
                            return result;
                        });
        batches.next(manager);
        batches.close();
        batches.close();
        for (int i = 1; i < made.get(); i++) {
            assertThat(ahead[i].isReleased()).isTrue();
        }
        assertThat(ahead[0].isReleased()).isFalse();
        assertThatThrownBy(() -> batches.next(manager)).isInstanceOf(NoSuchElementException.class);
    }

    @Test
    void throwsWhatTheDataSetThrewAtTheBatchThatHasIt() {
        IllegalStateException broken = new IllegalStateException("sample 3 is broken");
        try (BatchesAhead batches =
                new BatchesAhead(
                        plan(8, 2, Duration.ofSeconds(30)),
                        (owner, batch) -> {
                            if (batch == 1) {
                                throw broken;
                            }
                            return numbered(owner, batch);
                        })) {
            assertThat(batches.next(manager).data().head().getFloat()).isEqualTo(0);
            assertThatThrownBy(() -> batches.next(manager)).isSameAs(broken);
        }
    }

    @Test
    void doesNotWaitForEver() {
        try (BatchesAhead batches =
                new BatchesAhead(plan(8, 1, Duration.ofMillis(50)), this::stuck)) {
            assertThatThrownBy(() -> batches.next(manager))
                    .isInstanceOf(LateBatchException.class)
                    .message()
                    .matches(
                            "batch 0 of 4 of epoch 3 on rank 0 did not come within PT0\\.05S: look"
                                    + " at what the data set's get does, whose thread is at"
                                    + " org\\.yoloddp\\.train\\.BatchesAheadTest\\.stuck\\("
                                    + "BatchesAheadTest\\.java:\\d+\\), or allow more by"
                                    + " Deadlines\\.withData");
        }
    }

    @Test
    void keepsTheFlagOfAnInterrupt() {
        try (BatchesAhead batches =
                new BatchesAhead(plan(8, 1, Duration.ofSeconds(30)), this::stuck)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> batches.next(manager))
                    .isInstanceOf(LateBatchException.class)
                    .hasMessage(
                            "batch 0 of 4 of epoch 3 on rank 0 was waited for when the thread was"
                                    + " interrupted");
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    /** Ends when it is interrupted or the test is over. */
    private TrainingBatch stuck(NDManager owner, int batch) {
        try {
            released.await(60, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return numbered(owner, batch);
    }
}
