package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.TorchGenerator;
import org.yoloddp.torch.TorchOps;

/**
 * Dropout whose mask depends on seed, rank and step alone, so that a training with ranks as threads
 * gives the same result every time. DJL's own block draws from a generator that all threads share.
 *
 * <p>Put it into a block as any other; the trainer seeds it through {@link StepRandomness}.
 */
public final class RankDropout extends AbstractBlock {

    private static final byte VERSION = 1;

    private final double rate;
    private @Nullable TorchGenerator generator;
    private long seed;

    /**
     * Creates a dropout.
     *
     * @param rate the probability of an element to become zero while training, from 0 to below 1
     * @throws ConfigurationException if it lies outside its range
     */
    public RankDropout(double rate) {
        super(VERSION);
        if (!(rate >= 0 && rate < 1)) {
            throw new ConfigurationException(
                    "dropout rate is " + rate + ", must be from 0 to below 1");
        }
        this.rate = rate;
    }

    /** Starts the stream of a step. */
    void reseed(long seed) {
        this.seed = seed;
        if (generator != null) {
            generator.reseed(seed);
        }
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            @Nullable PairList<String, Object> params) {
        if (!training || rate == 0) {
            return inputs;
        }
        if (generator == null) {
            // Not earlier: blocks are also made where no native engine runs.
            generator = new TorchGenerator(seed);
        }
        NDList outputs = new NDList(inputs.size());
        for (NDArray input : inputs) {
            outputs.add(TorchOps.dropout(input, rate, generator));
        }
        return outputs;
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return inputShapes;
    }
}
