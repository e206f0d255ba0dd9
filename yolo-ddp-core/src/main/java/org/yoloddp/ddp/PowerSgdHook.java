package org.yoloddp.ddp;

import ai.djl.ndarray.NDManager;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;

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

    /** By index, those that gain by it; the others are averaged exactly. */
    private final Map<Integer, PowerSgdBucket> approximated = new HashMap<>();

    private final List<PowerSgdBucket> halfway = new ArrayList<>();
    private long steps;
    private boolean begun;
    private double lossScale = 1;

    PowerSgdHook(
            PowerSgd options,
            Communicator communicator,
            List<GradientBucket> buckets,
            NDManager parent,
            RandomMatrices random) {
        this.options = options;
        works = new HookWorks(communicator, buckets);
        manager = parent.newSubManager();
        long whole = 0;
        long sent = 0;
        for (GradientBucket bucket : buckets) {
            whole += bucket.buffer().count();
            if (PowerSgdBucket.gains(options, bucket)) {
                PowerSgdBucket smaller =
                        new PowerSgdBucket(options, bucket, works, manager, random);
                approximated.put(bucket.index(), smaller);
                sent += smaller.sentCount();
            } else {
                sent += bucket.buffer().count();
            }
        }
        if (communicator.rank() == 0) {
            LOG.info(
                    "PowerSGD of rank {} sends {} elements a step for {}, after {} steps",
                    options.matrixRank(),
                    sent,
                    whole,
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
            begun = true;
        }
        PowerSgdBucket smaller = approximated.get(bucket.index());
        if (smaller == null || steps <= options.startStep()) {
            return works.average(bucket.buffer(), "bucket " + bucket.index());
        }
        smaller.start(steps, lossScale);
        halfway.add(smaller);
        return deadline -> {
            startSecondHalves(deadline);
            smaller.finish(deadline);
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
        // The step before this hook took over is none of its own.
        if (begun) {
            steps--;
            begun = false;
        }
        approximated.values().forEach(PowerSgdBucket::stepSkipped);
    }

    @Override
    public void close() {
        approximated.values().forEach(PowerSgdBucket::close);
        manager.close();
        works.close();
    }
}
