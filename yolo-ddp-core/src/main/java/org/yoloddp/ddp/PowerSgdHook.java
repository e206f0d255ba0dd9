package org.yoloddp.ddp;

import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.DType;

/**
 * PowerSGD over all buckets of a rank.
 *
 * <p>An approximation takes two averages of which the second depends on the first. The first is
 * submitted when its bucket is full, while backward goes on. The second must have the same place in
 * the order of all ranks, whenever the first happens to be done: all of them follow, in the order
 * of the buckets, when the rank begins to wait, which is after all buckets have been started.
 */
final class PowerSgdHook implements CommunicationHook {

    private static final Logger LOG = LoggerFactory.getLogger(PowerSgdHook.class);

    private final PowerSgd options;
    private final HookWorks works;
    private final NDManager manager;
    private final List<PowerSgdBucket> buckets = new ArrayList<>();
    private final List<PowerSgdBucket> halfway = new ArrayList<>();
    private long steps;
    private double lossScale = 1;

    PowerSgdHook(
            PowerSgd options,
            Communicator communicator,
            List<GradientBucket> buckets,
            NDManager parent,
            RandomMatrices matrices) {
        this.options = options;
        works = new HookWorks(communicator);
        manager = parent.newSubManager();
        long all = 0;
        long sent = 0;
        for (GradientBucket bucket : buckets) {
            PowerSgdBucket approximated =
                    new PowerSgdBucket(options, bucket, works, manager, matrices);
            this.buckets.add(approximated);
            all += bucket.slots().stream().mapToLong(GradientBucket.Slot::count).sum();
            sent += approximated.sentCount();
        }
        if (communicator.rank() == 0) {
            LOG.info(
                    "PowerSGD of rank {} sends {} of {} elements after {} steps",
                    options.matrixRank(),
                    sent,
                    all,
                    options.startStep());
        }
    }

    @Override
    public void lossScale(double scale) {
        lossScale = scale;
    }

    @Override
    public Pending start(GradientBucket bucket) {
        if (bucket.index() == 0) {
            steps++;
        }
        PowerSgdBucket approximated = buckets.get(bucket.index());
        if (steps <= options.startStep() || approximated.isExact()) {
            return works.average(bucket.buffer(), "bucket " + bucket.index());
        }
        approximated.start(steps, lossScale);
        halfway.add(approximated);
        return deadline -> {
            startSecondHalves(deadline);
            approximated.finish(deadline);
        };
    }

    private void startSecondHalves(Duration deadline) {
        for (PowerSgdBucket bucket : halfway) {
            bucket.startSecondHalf(deadline);
        }
        halfway.clear();
    }

    @Override
    public void stepSkipped() {
        steps--;
        buckets.forEach(PowerSgdBucket::stepSkipped);
    }

    @Override
    public void close() {
        buckets.forEach(PowerSgdBucket::close);
        manager.close();
        works.close();
    }
}
