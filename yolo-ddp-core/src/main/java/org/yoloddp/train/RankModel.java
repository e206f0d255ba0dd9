package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yoloddp.ddp.SyncBatchNorm;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.Layouts;
import org.yoloddp.torch.Safetensors;
import org.yoloddp.torch.StateDict;

/** A block of one rank with the arrays of its parameters. */
record RankModel(
        Block block, StateDict state, ParameterStore store, @Nullable SyncBatchNorm norms) {

    /** Makes and initialises a block on a rank. */
    static RankModel create(TrainingSettings settings, RankContext rank) {
        TrainingTask task = settings.task();
        NDManager manager = rank.manager();
        try (GradMode off = GradMode.disabled()) {
            Block block = task.createBlock(rank);
            if (!block.isInitialized()) {
                int batch = settings.batchSize() / rank.worldSize();
                block.initialize(manager, DataType.FLOAT32, task.inputShapes(batch));
            }
            StateDict state = StateDict.of(block);
            UnsupportedDataTypeException.check(state);
            settings.precision().requireSupported(block);
            for (StateDict.Entry entry : state.entries()) {
                // A block that was initialised elsewhere is on the CPU as a rule.
                Devices.move(entry.array(), rank.device());
                if (!task.keepsBlocks()) {
                    entry.array().attach(manager);
                }
                if (settings.channelsLast() && entry.array().getShape().dimension() == 4) {
                    Layouts.toChannelsLast(entry.array());
                }
            }
            return new RankModel(block, state, new ParameterStore(manager, false), null);
        }
    }

    /** The same with batch norm over all ranks. */
    RankModel with(SyncBatchNorm synchronised) {
        return new RankModel(synchronised.block(), state, store, synchronised);
    }

    /** Throws what went wrong in the hooks of a backward. */
    void endBackward() {
        if (norms != null) {
            norms.endBackward();
        }
    }

    /** Marks the trainable parameters for autograd. */
    void requireGradients() {
        state.trainable().forEach(entry -> entry.array().setRequiresGradient(true));
    }

    /** Runs the block with batch statistics and gradients. */
    NDList train(NDList data) {
        return block.forward(store, data, true);
    }

    /** Runs the block in evaluation mode without gradients. */
    NDList predict(NDList data) {
        try (GradMode off = GradMode.disabled()) {
            return UnsupportedDataTypeException.requireKnown(
                    "the block's output", block.forward(store, data, false));
        }
    }

    void write(Path file, Map<String, String> metadata) {
        LinkedHashMap<String, ai.djl.ndarray.NDArray> arrays = new LinkedHashMap<>();
        state.entries().forEach(entry -> arrays.put(entry.name(), entry.array()));
        Safetensors.write(file, arrays, metadata);
    }
}
