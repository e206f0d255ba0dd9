package org.yoloddp.train;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.yoloddp.optim.ParameterGroup;

/**
 * What belongs together in a training: block, loss, data, validation and parameter groups.
 * Thread-safe; everything stateful is made per rank.
 */
public interface TrainingTask {

    /**
     * Makes the block of one rank. Rank 0's weights are broadcast afterwards. Called on the thread
     * of the rank, once more if weights are averaged, and on the caller's thread by {@code
     * newModel}.
     *
     * @param rank the rank
     * @return a new block, whose arrays the training owns from now on; the trainer initialises it
     *     if it isn't yet
     */
    Block createBlock(RankContext rank);

    /**
     * Tells whether blocks stay the task's: then {@link #createBlock} returns an initialised block
     * that may be the same each time, and whose arrays outlive the training. Weights can't be
     * averaged then, and no new model be made, since both need another block.
     *
     * @return false by default
     */
    default boolean keepsBlocks() {
        return false;
    }

    /**
     * Returns the shapes that an uninitialised block is initialised with.
     *
     * @param batchSize the samples of one batch on one rank
     * @return the shapes of the inputs
     */
    Shape[] inputShapes(int batchSize);

    /**
     * Makes the loss of one rank.
     *
     * @param rank the rank
     * @param block the rank's block
     * @return the loss
     */
    TrainingLoss createLoss(RankContext rank, Block block);

    /**
     * Returns what to train on.
     *
     * @return the data
     */
    TrainingData trainingData();

    /**
     * Makes the validation of one rank.
     *
     * @param rank the rank
     * @param block the rank's block
     * @return the validation, or empty if there is none
     */
    default Optional<Validation> createValidation(RankContext rank, Block block) {
        return Optional.empty();
    }

    /**
     * Splits the parameters into groups of one learning rate and one weight decay each.
     *
     * @param block the rank's initialised block
     * @param weightDecay the optimizer's weight decay
     * @return the groups; by default a single one
     */
    default List<ParameterGroup> parameterGroups(Block block, double weightDecay) {
        return List.of(
                new ParameterGroup(
                        "all",
                        block.getParameters().stream()
                                .filter(p -> p.getValue().requiresGradient())
                                .map(p -> p.getKey())
                                .toList(),
                        weightDecay));
    }

    /**
     * Returns what is written into weight files beside the arrays.
     *
     * @return texts by name, such as the class names; by default none
     */
    default Map<String, String> metadata() {
        return Map.of();
    }
}
