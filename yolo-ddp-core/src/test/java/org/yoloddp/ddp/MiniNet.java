package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.ArrayList;
import java.util.List;
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

    /** One convolution in two places. */
    static Block tied() {
        Conv2d twice = conv(6);
        return new SequentialBlock()
                .add(conv(6))
                .add(Activation.reluBlock())
                .add(twice)
                .add(Activation.reluBlock())
                .add(twice)
                .add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(OUTPUTS).build());
    }

    /**
     * With layers that only some samples go through, by their first pixel: often, seldom, never. A
     * batch without such a sample doesn't use the layer.
     */
    static Block gated() {
        return new Gated();
    }

    private static final class Gated extends AbstractBlock {

        private static final float[] LIMITS = {.5f, 2.2f, 1e9f};

        private final Block trunk = addChildBlock("trunk", plain());
        private final List<Block> gates = new ArrayList<>();

        Gated() {
            for (int i = 0; i < LIMITS.length; i++) {
                Block layer = Linear.builder().setUnits(OUTPUTS).build();
                gates.add(addChildBlock("gate" + i, layer));
            }
        }

        @Override
        protected NDList forwardInternal(
                ParameterStore store,
                NDList inputs,
                boolean training,
                PairList<String, Object> params) {
            NDArray images = inputs.singletonOrThrow();
            NDArray sum = trunk.forward(store, inputs, training).singletonOrThrow();
            float[] pixels = images.get(":, 0, 0, 0").toFloatArray();
            NDArray flat = images.reshape(images.getShape().get(0), -1);
            for (int i = 0; i < LIMITS.length; i++) {
                float[] through = new float[pixels.length];
                boolean any = false;
                for (int sample = 0; sample < pixels.length; sample++) {
                    through[sample] = pixels[sample] > LIMITS[i] ? 1 : 0;
                    any |= through[sample] > 0;
                }
                if (any) {
                    NDArray more =
                            gates.get(i)
                                    .forward(store, new NDList(flat), training)
                                    .singletonOrThrow();
                    NDArray mask = images.getManager().create(through, new Shape(pixels.length, 1));
                    sum = sum.add(more.mul(mask));
                }
            }
            return new NDList(sum);
        }

        @Override
        public Shape[] getOutputShapes(Shape[] inputShapes) {
            return trunk.getOutputShapes(inputShapes);
        }

        @Override
        protected void initializeChildBlocks(
                NDManager manager, DataType dataType, Shape... inputShapes) {
            trunk.initialize(manager, dataType, inputShapes);
            Shape flat = new Shape(inputShapes[0].get(0), IMAGE.size());
            gates.forEach(gate -> gate.initialize(manager, dataType, flat));
        }
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
