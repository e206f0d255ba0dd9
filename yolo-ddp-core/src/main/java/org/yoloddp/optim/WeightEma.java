package org.yoloddp.optim;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/**
 * An exponential moving average of a model's weights and running statistics, kept in a second
 * model.
 *
 * <p>The decay rises with the number of updates n as decay · (1 − exp(−n / tau)), so that early
 * averages follow quickly. Whole numbers, such as counts of batches, are left alone. Not
 * thread-safe.
 */
public final class WeightEma implements AutoCloseable {

    /** The decay that is approached by default. */
    public static final double DEFAULT_DECAY = .9999;

    /** The number of updates in which the decay rises by default. */
    public static final double DEFAULT_TAU = 2000;

    private final TensorList target;
    private final TensorList source;
    private final double decay;
    private final double tau;
    private long updates;

    private WeightEma(TensorList target, TensorList source, double decay, double tau) {
        this.target = target;
        this.source = source;
        this.decay = decay;
        this.tau = tau;
    }

    /**
     * Creates an average with the default decay.
     *
     * @param target the model that holds the average; starts as a copy of the source
     * @param source the model that is trained
     * @return the average
     */
    public static WeightEma create(StateDict target, StateDict source) {
        return create(target, source, DEFAULT_DECAY, DEFAULT_TAU);
    }

    /**
     * Creates an average.
     *
     * @param target the model that holds the average; starts as a copy of the source
     * @param source the model that is trained
     * @param decay the decay that is approached, from 0 to below 1
     * @param tau the number of updates in which it rises, above 0
     * @return the average
     * @throws ConfigurationException if a value lies outside its range
     */
    public static WeightEma create(StateDict target, StateDict source, double decay, double tau) {
        Ranges.requireBelowOne("decay", decay);
        Ranges.requirePositive("tau", tau);
        source.copyInto(target);
        List<NDArray> targets = new ArrayList<>();
        List<NDArray> sources = new ArrayList<>();
        // What two names of the target share is averaged once.
        Set<String> again = target.aliases().keySet();
        for (StateDict.Entry entry : source.entries()) {
            if (!again.contains(entry.name()) && entry.array().getDataType().isFloating()) {
                sources.add(entry.array());
                targets.add(target.get(entry.name()).array());
            }
        }
        return new WeightEma(TensorList.of(targets), TensorList.of(sources), decay, tau);
    }

    /** Takes the source's present weights into the average. */
    public void update() {
        updates++;
        target.ema(source, decay(decay, tau, updates));
    }

    /**
     * Returns how many updates the average has seen.
     *
     * @return the number of updates
     */
    public long updates() {
        return updates;
    }

    /** Forgets both models, which stay as they are. Idempotent. */
    @Override
    public void close() {
        target.close();
        source.close();
    }

    static double decay(double decay, double tau, long updates) {
        return decay * (1 - Math.exp(-updates / tau));
    }
}
