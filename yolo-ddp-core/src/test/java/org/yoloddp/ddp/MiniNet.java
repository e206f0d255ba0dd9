package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import java.util.Random;

/** Small DJL blocks on images of 3 × 8 × 8, and data for them that any rank can make. */
final class MiniNet {

    static final int OUTPUTS = 4;
    private static final Shape IMAGE = new Shape(3, 8, 8);

    private MiniNet() {}

    /** Convolutions and a linear layer, without batch norm. */
    static Block plain() {
        return new SequentialBlock()
                .add(conv(6))
                .add(Activation.reluBlock())
                .add(conv(8))
                .add(Activation.reluBlock())
                .add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(OUTPUTS).build());
    }

    /** With batch norm, that is with buffers. */
    static Block withBatchNorm() {
        return new SequentialBlock()
                .add(conv(6))
                .add(BatchNorm.builder().build())
                .add(Activation.reluBlock())
                .add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(OUTPUTS).build());
    }

    /** With our dropout. */
    static Block withDropout() {
        return new SequentialBlock()
                .add(conv(6))
                .add(Activation.reluBlock())
                .add(new RankDropout(.4))
                .add(Blocks.batchFlattenBlock())
                .add(new RankDropout(.2))
                .add(Linear.builder().setUnits(OUTPUTS).build());
    }

    private static Conv2d conv(int filters) {
        return Conv2d.builder()
                .setFilters(filters)
                .setKernelShape(new Shape(3, 3))
                .optPadding(new Shape(1, 1))
                .build();
    }

    /** Weights that depend on the seed alone. */
    static <T extends Block> T initialized(T block, NDManager manager, long seed) {
        Random random = new Random(seed);
        block.setInitializer(
                (m, shape, type) -> uniform(m, shape, random, 1 / Math.sqrt(shape.size())),
                Parameter.Type.WEIGHT);
        block.initialize(manager, DataType.FLOAT32, new Shape(1).addAll(IMAGE));
        return block;
    }

    /** Images of the given samples of a step; a sample is the same for any rank that asks. */
    static NDArray images(NDManager manager, long step, int from, int to) {
        return samples(manager, step * 1000, from, to, IMAGE);
    }

    /** What the net is to answer. */
    static NDArray targets(NDManager manager, long step, int from, int to) {
        return samples(manager, step * 1000 + 500, from, to, new Shape(OUTPUTS));
    }

    private static NDArray samples(NDManager manager, long seed, int from, int to, Shape each) {
        int size = Math.toIntExact(each.size());
        float[] values = new float[(to - from) * size];
        for (int sample = from; sample < to; sample++) {
            Random random = new Random(seed + sample);
            for (int i = 0; i < size; i++) {
                // Samples differ in size as well, so that ranks hold unlike data.
                values[(sample - from) * size + i] =
                        (float) (random.nextGaussian() * (1 + sample % 3 * .5));
            }
        }
        return manager.create(values, new Shape(to - from).addAll(each));
    }

    private static NDArray uniform(NDManager manager, Shape shape, Random random, double range) {
        float[] values = new float[Math.toIntExact(shape.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) ((2 * random.nextDouble() - 1) * range);
        }
        return manager.create(values, shape);
    }
}
