package org.yoloddp.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
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
        try (NDArray raw = evaluator.evaluate(labels, predictions);
                NDArray mean = raw.toType(DataType.FLOAT64, false).mean()) {
            long samples = labels.head().getShape().get(0);
            return new double[] {state[0] + mean.getDouble() * samples, state[1] + samples};
        }
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
