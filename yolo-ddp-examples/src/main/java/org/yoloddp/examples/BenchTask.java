package org.yoloddp.examples;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import java.util.List;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.train.RankContext;
import org.yoloddp.train.TrainingData;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingTask;

/**
 * A task with other data and without its validation.
 *
 * @param task the task
 * @param trainingData the other data
 */
record BenchTask(TrainingTask task, TrainingData trainingData) implements TrainingTask {

    @Override
    public Block createBlock(RankContext rank) {
        return task.createBlock(rank);
    }

    @Override
    public Shape[] inputShapes(int batchSize) {
        return task.inputShapes(batchSize);
    }

    @Override
    public TrainingLoss createLoss(RankContext rank, Block block) {
        return task.createLoss(rank, block);
    }

    @Override
    public List<ParameterGroup> parameterGroups(Block block, double weightDecay) {
        return task.parameterGroups(block, weightDecay);
    }
}
