package org.yoloddp.yolo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.initializer.Initializer;
import java.util.SplittableRandom;

/**
 * Uniform in ±bound, plus an offset by position, from an own generator: torch's is shared by all
 * threads of the process.
 */
final class SeededUniform implements Initializer {

    private final long seed;
    private final double bound;
    private final double[] offsets;

    SeededUniform(long seed, double bound) {
        this(seed, bound, new double[] {0});
    }

    /** With offsets that repeat along the array. */
    SeededUniform(long seed, double bound, double[] offsets) {
        this.seed = seed;
        this.bound = bound;
        this.offsets = offsets.clone();
    }

    @Override
    public NDArray initialize(NDManager manager, Shape shape, DataType dataType) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[Math.toIntExact(shape.size())];
        for (int i = 0; i < values.length; i++) {
            double draw = (2 * random.nextDouble() - 1) * bound;
            values[i] = (float) (draw + offsets[i % offsets.length]);
        }
        return manager.create(values, shape);
    }
}
