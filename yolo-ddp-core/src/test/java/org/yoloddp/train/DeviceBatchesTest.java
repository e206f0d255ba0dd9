package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.TestDevice;
import org.yoloddp.comm.TestDevice.Use;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.torch.TorchRuntime;

/** Bringing batches to a device that is the host in truth, so that all but the copy is real. */
@Tag("torch")
@Timeout(60)
class DeviceBatchesTest {

    static {
        TorchRuntime.start();
    }

    private final NDManager manager = NDManager.newBaseManager();
    private final Communicator alone =
            InProcessCommunicator.group(1, Duration.ofSeconds(10)).get(0);
    private final TestDevice device = new TestDevice(0);

    /** Gives numbered batches, as many as are allowed. */
    private static final class Source implements BatchStream {

        final Semaphore allowed;
        final CountDownLatch second = new CountDownLatch(2);
        volatile Thread thread;
        volatile boolean closed;
        private int next;

        Source(int batches) {
            allowed = new Semaphore(batches);
        }

        @Override
        public TrainingBatch next(NDManager owner) {
            thread = Thread.currentThread();
            if (!allowed.tryAcquire()) {
                throw new IllegalStateException("batch " + next + " can't be read");
            }
            float number = next++;
            second.countDown();
            return new TrainingBatch(
                    new NDList(owner.create(new float[] {number})),
                    new NDList(owner.create(new float[] {-number})),
                    1);
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    @AfterEach
    void close() {
        alone.close();
        manager.close();
    }

    private DeviceBatches batches(BatchStream source, int samples) {
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
                        Deadlines.defaults().withData(Duration.ofSeconds(20)));
        BatchPlan plan = new BatchPlan(rank, 0, new int[samples], 1, Loading.defaults());
        return new DeviceBatches(source, plan, MemoryDevice.HOST, device::current);
    }

    @Test
    void batchesComeInOrderByAThreadAndAStreamOfTheirOwn() {
        Source source = new Source(5);
        try (DeviceBatches batches = batches(source, 5)) {
            for (int i = 0; i < 5; i++) {
                try (NDManager step = manager.newSubManager()) {
                    TrainingBatch batch = batches.next(step);
                    assertThat(batch.data().head().getFloat()).isEqualTo(i);
                    assertThat(batch.labels().head().getFloat()).isEqualTo(-i);
                    assertThat(batch.data().head().getManager()).isSameAs(step);
                }
            }
            assertThat(source.thread.getName()).isEqualTo("yolo-ddp-batches-to-device-0");
            assertThatThrownBy(() -> batches.next(manager))
                    .isInstanceOf(NoSuchElementException.class);
        }
        assertThat(source.closed).isTrue();
        // Each batch was marked behind its copy, and each mark was freed.
        assertThat(device.count(Use.RECORD)).isEqualTo(5);
        assertThat(device.count(Use.CLOSE)).isEqualTo(5);
    }

    @Test
    void theNextBatchesAreBroughtBeforeTheyAreAskedFor() throws InterruptedException {
        Source source = new Source(5);
        try (DeviceBatches batches = batches(source, 5)) {
            assertThat(source.second.await(20, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(source.closed).isTrue();
        assertThat(device.count(Use.CLOSE)).isEqualTo(device.count(Use.RECORD));
    }

    @Test
    void whatTheSourceThrowsIsThrownAtItsBatch() {
        try (DeviceBatches batches = batches(new Source(1), 3)) {
            assertThat(batches.next(manager).size()).isEqualTo(1);
            assertThatThrownBy(() -> batches.next(manager))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("batch 1 can't be read");
        }
    }
}
