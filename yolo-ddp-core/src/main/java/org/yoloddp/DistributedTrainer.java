package org.yoloddp;

import ai.djl.Model;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.yoloddp.train.TrainedWeights;
import org.yoloddp.train.TrainerBusyException;
import org.yoloddp.train.TrainerClosedException;
import org.yoloddp.train.TrainingReport;
import org.yoloddp.train.TrainingRun;
import org.yoloddp.train.TrainingSettings;

/**
 * Trains a model data-parallel: every rank has a replica of the block and its share of each batch,
 * gradients are averaged over the ranks, and all replicas take the same step.
 *
 * <pre>{@code
 * try (DistributedTrainer trainer = DistributedTrainer.builder()
 *         .setTask(YoloV5.task("yolov5n", DetectionDataset.load(Path.of("data.yaml"))).build())
 *         .setEpochs(30)
 *         .setBatchSize(16)
 *         .optWorld(World.threads(2))
 *         .build()) {
 *     TrainingReport report = trainer.train();
 * }
 * }</pre>
 *
 * <p>Thread-safe. One training at a time per JVM. The trained weights live outside the Java heap
 * until {@link #close()}; reports are plain data and stay valid.
 */
public final class DistributedTrainer implements AutoCloseable {

    private final TrainingSettings settings;
    private final World world;
    private final int threadsPerRank;
    private @Nullable TrainingRun run;
    private @Nullable TrainedWeights weights;
    private boolean closed;

    DistributedTrainer(TrainingSettings settings, World world, int threadsPerRank) {
        this.settings = settings;
        this.world = world;
        this.threadsPerRank = threadsPerRank;
    }

    /**
     * Starts to describe a training.
     *
     * @return a builder, whose Javadoc lists all defaults
     */
    public static DistributedTrainerBuilder builder() {
        return new DistributedTrainerBuilder();
    }

    /**
     * Trains, and returns when all ranks have ended. An interrupt of the calling thread cancels the
     * training: all ranks end after the same step, the report says so, and the interrupt flag stays
     * set. Training again starts anew, with new weights; a block that was given itself ({@link
     * DistributedTrainerBuilder#setBlock(Block)}) goes on from those it has.
     *
     * @return what was done
     * @throws TrainerBusyException if this JVM trains already
     * @throws TrainerClosedException if this trainer is closed
     * @throws org.yoloddp.error.YoloDdpException if a rank fails; the exception is the root cause,
     *     whichever rank it came from
     */
    public TrainingReport train() {
        return start("train()").join();
    }

    /**
     * Starts the training and returns at once.
     *
     * @return the running training
     * @throws TrainerBusyException if this JVM trains already
     * @throws TrainerClosedException if this trainer is closed
     */
    public TrainingRun start() {
        return start("start()");
    }

    private synchronized TrainingRun start(String call) {
        requireOpen(call);
        TrainingRun started =
                TrainingRun.start(settings, () -> world.connect(settings, threadsPerRank));
        if (run != null) {
            // It is over, but may not have said so yet.
            run.awaitEnd();
        }
        freeWeights();
        run = started;
        return started;
    }

    /**
     * Writes the trained weights, averaged ones if there are any, as safetensors.
     *
     * @param file where to; an existing file is replaced at once, never half
     * @throws IllegalStateException if no training has ended yet, or the last one has failed; a
     *     cancelled one gives its weights
     * @throws TrainerClosedException if this trainer is closed
     * @throws org.yoloddp.torch.SafetensorsException if the file can't be written
     */
    public synchronized void exportWeights(Path file) {
        weights("exportWeights").write(file);
    }

    /**
     * Copies the trained weights, averaged ones if there are any, into a block.
     *
     * @param block a block of the same structure; initialised here if it isn't yet
     * @param manager owns the arrays of a block that is initialised here
     * @throws IllegalStateException if no training has ended yet, or the last one has failed
     * @throws TrainerClosedException if this trainer is closed
     * @throws org.yoloddp.torch.TorchException if the block's names or shapes differ
     */
    public synchronized void copyInto(Block block, NDManager manager) {
        weights("copyInto").copyInto(block, manager);
    }

    /**
     * Makes a DJL model with a copy of the trained weights.
     *
     * @param name the name of the model
     * @return a model that the caller closes
     * @throws IllegalStateException if no training has ended yet, the last one has failed, or
     *     {@code setBlock} got a block instead of a factory
     * @throws TrainerClosedException if this trainer is closed
     */
    public synchronized Model newModel(String name) {
        TrainedWeights trained = weights("newModel");
        Model model = Model.newInstance(name, "PyTorch");
        try {
            model.setBlock(trained.newBlock(model.getNDManager()));
            return model;
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    private TrainedWeights weights(String call) {
        requireOpen(call + "()");
        if (weights == null && run != null) {
            weights = run.weights().orElse(null);
        }
        if (weights == null) {
            throw new IllegalStateException(
                    call + "() needs a training that has ended well: call train() first");
        }
        return weights;
    }

    private void requireOpen(String call) {
        if (closed) {
            throw new TrainerClosedException(call);
        }
    }

    private void freeWeights() {
        TrainedWeights old = weights;
        if (old == null && run != null) {
            old = run.weights().orElse(null);
        }
        if (old != null) {
            old.close();
        }
        weights = null;
    }

    /**
     * Cancels a running training, waits for its end, and frees the weights; idempotent.
     *
     * @throws IllegalStateException if called by a thread of the training, such as by an observer
     */
    @Override
    public void close() {
        TrainingRun last;
        synchronized (this) {
            closed = true;
            last = run;
        }
        if (last != null) {
            last.cancel();
            // Observers may use this trainer meanwhile, so no lock is held.
            last.awaitEnd();
        }
        synchronized (this) {
            freeWeights();
        }
    }
}
