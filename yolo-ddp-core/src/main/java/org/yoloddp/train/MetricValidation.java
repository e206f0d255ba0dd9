package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.yoloddp.comm.Communicator;

/**
 * Computes metrics over a data set: batch k goes to rank k mod W, each sample is seen once, and the
 * states are merged in rank order. The first metric is the fitness.
 */
public final class MetricValidation implements Validation {

    private final DatasetSource data;
    private final List<Metric<?>> metrics;

    /**
     * Creates a validation.
     *
     * @param data the samples
     * @param metrics what to compute, at least one
     */
    public MetricValidation(DatasetSource data, List<Metric<?>> metrics) {
        this.data = data;
        this.metrics = List.copyOf(metrics);
    }

    @Override
    public ValidationResult run(ValidationContext context) {
        RankContext rank = context.rank();
        List<State<?>> states = metrics.stream().<State<?>>map(State::new).toList();
        int[] indices = IntStream.range(0, data.size()).toArray();
        int size = context.batchSize();
        for (int from = rank.rank() * size;
                from < indices.length;
                from += rank.worldSize() * size) {
            try (NDManager scope = rank.manager().newSubManager()) {
                int to = Math.min(indices.length, from + size);
                TrainingBatch batch = data.batch(scope, indices, from, to);
                NDList predictions = context.predictor().apply(batch.data());
                states.forEach(state -> state.update(batch.labels(), predictions));
            }
        }
        context.meeting().run();
        Map<String, Double> values = new LinkedHashMap<>();
        states.forEach(state -> values.put(state.name(), state.merged(rank.communicator())));
        double fitness = values.values().iterator().next();
        return new ValidationResult(fitness, values, Map.of());
    }

    /** One metric and its state on this rank. */
    private static final class State<S> {

        private final Metric<S> metric;
        private S state;

        State(Metric<S> metric) {
            this.metric = metric;
            this.state = metric.empty();
        }

        String name() {
            return metric.name();
        }

        void update(NDList labels, NDList predictions) {
            state = metric.update(state, labels, predictions);
        }

        double merged(Communicator all) {
            double[][] shares = Gather.doubles(all, metric.encode(state), metric.name());
            S merged = metric.empty();
            for (double[] share : shares) {
                merged = metric.merge(merged, metric.decode(share));
            }
            return metric.value(merged);
        }
    }
}
