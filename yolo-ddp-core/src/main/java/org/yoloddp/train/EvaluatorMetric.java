package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import ai.djl.training.evaluator.Evaluator;

/** The mean of a DJL evaluator; the state is {sum, samples}. */
record EvaluatorMetric(Evaluator evaluator) implements Metric<double[]> {

    @Override
    public String name() {
        return evaluator.getName();
    }

    @Override
    public double[] empty() {
        return new double[2];
    }

    @Override
    public double[] update(double[] state, NDList labels, NDList predictions) {
        // An accumulator of this batch alone: what evaluate returns differs, here a mean and there
        // a count, and totals of several batches can't be read.
        String key = "yolo-ddp-" + Thread.currentThread().getId();
        evaluator.addAccumulator(key);
        evaluator.updateAccumulator(key, labels, predictions);
        long samples = labels.head().getShape().get(0);
        double value = evaluator.getAccumulator(key);
        evaluator.resetAccumulator(key);
        return new double[] {state[0] + value * samples, state[1] + samples};
    }

    @Override
    public double[] merge(double[] first, double[] second) {
        return new double[] {first[0] + second[0], first[1] + second[1]};
    }

    @Override
    public double value(double[] state) {
        return state[0] / state[1];
    }

    @Override
    public double[] encode(double[] state) {
        return state.clone();
    }

    @Override
    public double[] decode(double[] numbers) {
        return numbers.clone();
    }
}
