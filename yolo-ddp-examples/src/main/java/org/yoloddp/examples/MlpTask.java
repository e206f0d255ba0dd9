package org.yoloddp.examples;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.loss.Loss;
import java.util.Random;
import org.yoloddp.train.BatchPlan;
import org.yoloddp.train.BatchStream;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingBatch;
import org.yoloddp.train.TrainingData;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingTask;

/**
 * Linear layers of one width, on noise: much to communicate for little to compute.
 *
 * @param width of the input and of each layer
 * @param layers the number of layers
 * @param batch the samples of one batch of one rank
 * @param batches how many there are
 */
record MlpTask(int width, int layers, int batch, int batches) implements TrainingTask {

    /** The bytes of all gradients. */
    long gradientBytes() {
        return (long) layers * (width + 1) * width * Float.BYTES;
    }

    @Override
    public Block createBlock(RankContext rank) {
        SequentialBlock block = new SequentialBlock();
        for (int i = 0; i < layers; i++) {
            if (i > 0) {
                block.add(Activation.reluBlock());
            }
            block.add(Linear.builder().setUnits(width).build());
        }
        return block;
    }

    @Override
    public Shape[] inputShapes(int batchSize) {
        return new Shape[] {new Shape(batchSize, width)};
    }

    @Override
    public TrainingLoss createLoss(RankContext rank, Block block) {
        return TrainingLoss.of(Loss.softmaxCrossEntropyLoss());
    }

    @Override
    public TrainingData trainingData() {
        return new Noise();
    }

    /** One batch, again and again. */
    private final class Noise implements TrainingData {

        @Override
        public int size() {
            return batches * batch;
        }

        @Override
        public BatchStream open(BatchPlan plan) {
            Random random = new Random(0);
            float[] values = new float[batch * width];
            float[] classes = new float[batch];
            for (int i = 0; i < values.length; i++) {
                values[i] = random.nextFloat() - .5f;
            }
            for (int i = 0; i < batch; i++) {
                classes[i] = random.nextInt(width);
            }
            return new BatchStream() {
                @Override
                public TrainingBatch next(NDManager manager) {
                    NDArray data = manager.create(values, new Shape(batch, width));
                    NDArray labels = manager.create(classes, new Shape(batch, 1));
                    return new TrainingBatch(new NDList(data), new NDList(labels), batch);
                }

                @Override
                public void close() {
                    // nothing is open
                }
            };
        }
    }
}
