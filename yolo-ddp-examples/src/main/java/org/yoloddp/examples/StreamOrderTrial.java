package org.yoloddp.examples;

import java.nio.ByteBuffer;
import java.util.Locale;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.HostBuffer;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.comm.Work;

/**
 * Lets a kernel that writes late be followed by a collective, and the collective by a copy, all in
 * the right order without the host waiting. Beside it, as a control, the same without the order:
 * there the numbers should be wrong, or the kernel was not late enough to prove anything.
 */
final class StreamOrderTrial {

    /** Fills this much again and again before the bytes that count are written. */
    private static final long WORK_BYTES = 256L << 20;

    private static final int COUNT = 1000;
    private static final int ROUNDS = 5;

    private final GpuRank rank;
    private final int earlier;

    /**
     * @param earlier how many kernels come before the one that counts
     */
    StreamOrderTrial(GpuRank rank, int earlier) {
        this.rank = rank;
        this.earlier = earlier;
    }

    String run() {
        int wrong = 0;
        int unordered = 0;
        double millis = 0;
        try (CommBuffer work = rank.ranks().allocate(DType.U8, WORK_BYTES, rank.device());
                CommBuffer numbers = rank.ranks().allocate(DType.U8, COUNT, rank.device())) {
            for (int round = 0; round < ROUNDS; round++) {
                long start = System.nanoTime();
                wrong += round(work, numbers, round, true);
                millis = Math.max(millis, (System.nanoTime() - start) / 1e6);
                unordered += round(work, numbers, round, false);
            }
        }
        double allWrong = sum("wrong", wrong);
        double allUnordered = sum("unordered", unordered);
        if (allWrong > 0) {
            throw GpuCheckException.streamOrder((long) allWrong, ROUNDS * rank.size() * COUNT);
        }
        String control =
                allUnordered > 0
                        ? String.format(
                                Locale.ROOT,
                                "without the order %.0f of %d are wrong",
                                allUnordered,
                                ROUNDS * rank.size() * COUNT)
                        : "without the order they are right as well, so this proves little here";
        return String.format(
                Locale.ROOT,
                "all sums of bytes written after %.0f ms of kernels are right; %s",
                millis,
                control);
    }

    private double sum(String what, double mine) {
        double sum = 0;
        for (double value : rank.all(what, mine)) {
            sum += value;
        }
        return sum;
    }

    /** How many sums are wrong. */
    private int round(CommBuffer work, CommBuffer numbers, int round, boolean ordered) {
        rank.raw().fill(numbers.address(), 0, COUNT);
        rank.raw().await("the fill with zeros", GpuRank.DEADLINE);
        rank.meet();
        for (int i = 0; i < earlier; i++) {
            rank.raw().fill(work.address(), i & 1, WORK_BYTES);
        }
        rank.raw().fill(numbers.address(), rank.rank() + 1 + round, COUNT);
        ComputeStream producer = ordered ? rank.raw().stream() : ComputeStream.HOST;
        Work sum = rank.ranks().allReduce(numbers, ReduceOp.SUM, producer, "late");
        sum.orderBefore(rank.raw().stream());
        try (HostBuffer result = HostBuffer.allocate(DType.U8, COUNT)) {
            rank.raw().copy(result.address(), numbers.address(), COUNT);
            rank.raw().await("late kernels, a collective and a copy", GpuRank.DEADLINE);
            sum.await(GpuRank.DEADLINE);
            return count(result.bytes(), expected(round));
        }
    }

    private byte expected(int round) {
        return (byte) (rank.size() * (rank.size() + 1) / 2 + rank.size() * round);
    }

    private static int count(ByteBuffer found, byte expected) {
        int wrong = 0;
        for (int i = 0; i < COUNT; i++) {
            wrong += found.get(i) == expected ? 0 : 1;
        }
        return wrong;
    }
}
