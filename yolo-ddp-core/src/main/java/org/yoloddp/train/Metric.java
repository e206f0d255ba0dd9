package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import ai.djl.training.evaluator.Evaluator;

/**
 * A figure that can be computed in parts and merged over ranks. One object serves all ranks of a
 * JVM at once, each on its own thread, hence what changes belongs into the state.
 *
 * @param <S> the state; immutable, or never shared
 */
public interface Metric<S> {

    /**
     * Returns the name under which the value is reported.
     *
     * @return the name
     */
    String name();

    /**
     * Returns the state of no data.
     *
     * @return the empty state
     */
    S empty();

    /**
     * Adds a batch.
     *
     * @param state the state so far
     * @param labels the labels of the batch
     * @param predictions what the block made of its data, in evaluation mode
     * @return the state with the batch; arrays of the batch are freed after the call
     */
    S update(S state, NDList labels, NDList predictions);

    /**
     * Merges the states of two ranks.
     *
     * @param first the state of the lower ranks
     * @param second the state of the higher rank
     * @return both together
     */
    S merge(S first, S second);

    /**
     * Returns the figure.
     *
     * @param state the state of all data
     * @return the value; larger is taken as better where it serves as fitness
     */
    double value(S state);

    /**
     * Writes a state for the way to other ranks.
     *
     * @param state the state
     * @return numbers, as many as the state needs
     */
    double[] encode(S state);

    /**
     * Reads what {@link #encode} wrote.
     *
     * @param numbers the numbers
     * @return the state
     */
    S decode(double[] numbers);

    /**
     * Adapts an evaluator of DJL: the mean of its values of single batches, weighted by batch size.
     * That is exact for means over samples such as accuracy, and inexact for anything else.
     *
     * @param evaluator the evaluator, shared by all ranks of this JVM
     * @return the metric
     */
    static Metric<double[]> of(Evaluator evaluator) {
        return new EvaluatorMetric(evaluator);
    }
}
