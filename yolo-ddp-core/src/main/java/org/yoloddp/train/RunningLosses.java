package org.yoloddp.train;

import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommBuffer;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.ComputeStream;
import org.yoloddp.comm.DType;
import org.yoloddp.comm.ReduceOp;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.LateNumbers;

/** The means of the loss terms over the batches of an epoch. */
final class RunningLosses {

    private final List<String> terms;
    private final boolean leaveOut;
    private final boolean bySample;
    private final double[] sums;
    private final Duration deadline;
    private double weights;
    private @Nullable Batch pending;

    /** A batch whose numbers may still be computed. */
    private record Batch(LateNumbers numbers, int samples, int rank, long step) {}

    /**
     * @param leaveOut whether a batch with a loss that isn't finite is left out, as its step will
     *     be, instead of failing the training
     * @param bySample whether a batch counts as much as it has samples, instead of once as in
     *     YOLOv5: ranks that run out at different times end with batches of unlike sizes
     * @param deadline how long a device may take for the numbers of a batch
     */
    RunningLosses(List<String> terms, boolean leaveOut, boolean bySample, Duration deadline) {
        this.deadline = deadline;
        this.terms = terms;
        this.leaveOut = leaveOut;
        this.bySample = bySample;
        this.sums = new double[terms.size()];
    }

    /**
     * Adds a batch; or leaves it out or throws if a term isn't finite. A GPU's numbers are read
     * when the next batch has been queued behind it, so that it needn't idle: but for the first
     * ones they count, and fail the training, one step late.
     *
     * @param numbers the total, then the terms
     */
    void add(LateNumbers numbers, int samples, int rank, long step) {
        read();
        pending = new Batch(numbers, samples, rank, step);
        if (numbers.areOnHost() || weights == 0) {
            read();
        }
    }

    private void read() {
        Batch batch = pending;
        pending = null;
        if (batch != null) {
            float[] numbers = batch.numbers().read(deadline);
            float[] values = Arrays.copyOfRange(numbers, 1, numbers.length);
            add(numbers[0], values, batch.samples(), batch.rank(), batch.step());
        }
    }

    private void add(float total, float[] values, int samples, int rank, long step) {
        if (values.length != terms.size()) {
            throw new ConfigurationException(
                    "the loss gave "
                            + values.length
                            + " terms, but names "
                            + terms
                            + "; LossValue.terms needs one value per name of TrainingLoss.terms()");
        }
        if (leaveOut && !(Float.isFinite(total) && allFinite(values))) {
            return;
        }
        double weight = bySample ? samples : 1;
        for (int i = 0; i < values.length; i++) {
            requireFinite(values[i], terms.get(i), rank, step);
            sums[i] += weight * values[i];
        }
        requireFinite(total, "total", rank, step);
        weights += weight;
    }

    private static boolean allFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    private static void requireFinite(float value, String term, int rank, long step) {
        if (!Float.isFinite(value)) {
            throw new NonFiniteLossException(rank, step, term, value);
        }
    }

    Map<String, Double> means() {
        return means(sums, weights);
    }

    /** Returns the means over the batches of all ranks; a collective. */
    Map<String, Double> meansOfAllRanks(Communicator communicator) {
        read();
        int n = sums.length;
        try (CommBuffer buffer = communicator.allocate(DType.F64, n + 1L)) {
            var values = buffer.bytes().asDoubleBuffer();
            values.put(0, sums, 0, n).put(n, weights);
            communicator
                    .allReduce(buffer, ReduceOp.SUM, ComputeStream.HOST, "epoch losses")
                    .await(communicator.deadline());
            double[] total = new double[n];
            values.get(0, total, 0, n);
            return means(total, values.get(n));
        }
    }

    private Map<String, Double> means(double[] totals, double count) {
        Map<String, Double> means = new LinkedHashMap<>();
        for (int i = 0; i < totals.length; i++) {
            means.put(terms.get(i), totals[i] / count);
        }
        return Collections.unmodifiableMap(means);
    }
}
