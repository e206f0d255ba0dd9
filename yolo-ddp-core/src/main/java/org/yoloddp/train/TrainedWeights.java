package org.yoloddp.train;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import java.nio.file.Path;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.StateDict;

/**
 * The weights that a training ended with, averaged ones if there are any. Not thread-safe; closing
 * frees them.
 */
public final class TrainedWeights implements AutoCloseable {

    private final RankModel model;
    private final RankContext rank;
    private final TrainingTask task;

    TrainedWeights(RankModel model, RankContext rank, TrainingTask task) {
        this.model = model;
        this.rank = rank;
        this.task = task;
    }

    /**
     * Writes the weights as safetensors under the block's names.
     *
     * @param file where to; an existing file is replaced at once, never half
     */
    public void write(Path file) {
        model.write(file, task.metadata());
    }

    /**
     * Copies the weights into another block of the same structure.
     *
     * @param block the block; initialised if it isn't yet
     * @param manager owns the arrays of a block that is initialised here
     */
    public void copyInto(Block block, NDManager manager) {
        try (GradMode off = GradMode.disabled()) {
            if (!block.isInitialized()) {
                block.initialize(manager, DataType.FLOAT32, task.inputShapes(1));
            }
            model.state().copyInto(StateDict.of(block));
        }
    }

    /**
     * Makes another block of the task and copies the weights into it.
     *
     * @param manager owns its arrays
     * @return the block
     * @throws IllegalStateException if the task can't make another one
     */
    public Block newBlock(NDManager manager) {
        if (task.keepsBlocks()) {
            throw new IllegalStateException(
                    "there is no other block to copy the weights into: use the one that setBlock"
                            + " got, or copyInto, or give setBlock a factory");
        }
        RankContext target =
                new RankContext(
                        0,
                        1,
                        0,
                        1,
                        rank.device(),
                        rank.threads(),
                        rank.seed(),
                        rank.communicator(),
                        manager,
                        rank.deadlines());
        Block block = task.createBlock(target);
        copyInto(block, manager);
        return block;
    }

    /** Frees the weights. */
    @Override
    public void close() {
        rank.manager().close();
    }
}
