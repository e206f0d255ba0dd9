package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;
import org.yoloddp.torch.TensorList;

/** Averages buckets in a type of 16 bits. Keeps nothing from step to step but its memory. */
final class HalfHook implements CommunicationHook {

    private final HookWorks works;
    private final NDManager manager;
    private final List<Bucket> halves = new ArrayList<>();

    HalfHook(
            Communicator communicator,
            List<GradientBucket> buckets,
            NDManager parent,
            DType half,
            DataType type) {
        works = new HookWorks(communicator, buckets);
        manager = parent.newSubManager();
        for (GradientBucket bucket : buckets) {
            halves.add(
                    bucket.buffer().dtype().bytes() > half.bytes()
                            ? new Half(bucket, half, type)
                            : new AsItIs(bucket));
        }
    }

    @Override
    public Pending start(GradientBucket bucket) {
        return halves.get(bucket.index()).start();
    }

    @Override
    public void close() {
        halves.forEach(Bucket::close);
        manager.close();
        works.close();
    }

    private interface Bucket extends AutoCloseable {
        Pending start();

        @Override
        void close();
    }

    /** A bucket whose gradients have 16 bits already. */
    private final class AsItIs implements Bucket {
        private final GradientBucket bucket;

        AsItIs(GradientBucket bucket) {
            this.bucket = bucket;
        }

        @Override
        public Pending start() {
            return works.average(bucket.buffer(), "bucket " + bucket.index());
        }

        @Override
        public void close() {}
    }

    /** A bucket and its counterpart of 16 bits, tails included: a one stays above zero. */
    private final class Half implements Bucket {
        private final String tag;
        private final CommBuffer buffer;
        private final TensorList wide;
        private final TensorList narrow;

        Half(GradientBucket bucket, DType half, DataType type) {
            tag = "bucket " + bucket.index() + " as " + half;
            buffer = works.allocate(half, bucket.buffer().count());
            NDArray array = works.array(manager, buffer, type);
            wide = TensorList.of(List.of(bucket.flat()));
            narrow = TensorList.of(List.of(array));
        }

        @Override
        public Pending start() {
            narrow.copyFrom(wide);
            Pending average = works.average(buffer, tag);
            return (Duration deadline) -> {
                average.await(deadline);
                wide.copyFrom(narrow);
            };
        }

        @Override
        public void close() {
            wide.close();
            narrow.close();
        }
    }
}
