package org.yoloddp.examples;

import java.time.Duration;
import java.util.Locale;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * Lets rank 1 stop in the middle of a job, as a process that hangs, while the others' collective
 * already waits for it on their GPUs. They have to learn of it by the heartbeats, and end what NCCL
 * is doing.
 */
final class HungPeerTrial {

    private static final int COUNT = 1 << 20;
    private static final int BEFORE = 3;

    /** Silence is a failure after 5 seconds; the abort may take some more. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final GpuRank rank;

    HungPeerTrial(GpuRank rank) {
        this.rank = rank;
    }

    /** What a rank that goes on has seen. */
    String run() {
        try (CommBuffer numbers = rank.ranks().allocate(DType.F32, COUNT, rank.device())) {
            for (int i = 0; i < BEFORE; i++) {
                reduce(numbers).await(GpuRank.DEADLINE);
            }
            rank.meet();
            if (rank.rank() == 1) {
                Fault.STOP.strike();
            }
            return waitForRankOne(numbers);
        }
    }

    private Work reduce(CommBuffer numbers) {
        return rank.ranks().allReduce(numbers, ReduceOp.SUM, rank.raw().stream(), "hung peer");
    }

    private String waitForRankOne(CommBuffer numbers) {
        long start = System.nanoTime();
        try {
            reduce(numbers).await(LIMIT.multipliedBy(2));
        } catch (CommunicationException e) {
            double seconds = (System.nanoTime() - start) / 1e9;
            boolean named = e instanceof RankFailedException failed && failed.rank() == 1;
            if (!named || seconds > LIMIT.toSeconds()) {
                throw GpuCheckException.lateOrOther(seconds, LIMIT, e);
            }
            return String.format(
                    Locale.ROOT,
                    "rank 1 was stopped; after %.1f s NCCL was ended on the others with %s",
                    seconds,
                    e.getClass().getSimpleName());
        }
        throw GpuCheckException.notNoticed();
    }
}
