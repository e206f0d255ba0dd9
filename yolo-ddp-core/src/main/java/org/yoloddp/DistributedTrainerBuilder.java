package org.yoloddp;

import ai.djl.Device;
import ai.djl.nn.Block;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.loss.Loss;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.yoloddp.amp.Precision;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.optim.OptimizerSpec;
import org.yoloddp.rendezvous.Heartbeats;
import org.yoloddp.sampler.IndexSampler;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.LearningRate;
import org.yoloddp.train.Deadlines;
import org.yoloddp.train.Join;
import org.yoloddp.train.Loading;
import org.yoloddp.train.Metric;
import org.yoloddp.train.RankFactory;
import org.yoloddp.train.TrainingLoss;
import org.yoloddp.train.TrainingObserver;
import org.yoloddp.train.TrainingSettings;
import org.yoloddp.train.TrainingTask;

/**
 * Describes a training. Not thread-safe; {@link #build()} checks that everything fits together.
 *
 * <p>Either {@link #setTask} is required, or {@link #setBlock}, {@link #setDataset} and {@link
 * #setLoss}; {@link #setEpochs} and {@link #setBatchSize} always are. The defaults:
 *
 * <ul>
 *   <li>world: {@link World#local()}; intra-op threads: cores divided by the ranks of this host
 *   <li>optimizer: SGD with momentum .9, no weight decay; learning rate: constant .01
 *   <li>sampler: {@link IndexSampler#distributed()}, shuffled by the seed; {@link Join#NONE}
 *   <li>precision float32; no gradient clipping; no averaged weights
 *   <li>validation after every epoch, if there is one; no early stopping
 *   <li>channels last for images and convolutions; seed 0
 *   <li>{@link Reduction#defaults()}, {@link Loading#defaults()}, {@link Deadlines#defaults()}
 *   <li>{@link Heartbeats#fromEnvironment}: the defaults, unless YOLODDP_HEARTBEATS is set
 * </ul>
 */
public final class DistributedTrainerBuilder {

    private final PlainTask.Parts plain = new PlainTask.Parts();
    private final List<TrainingObserver> observers = new ArrayList<>();
    private @Nullable TrainingTask task;
    private int epochs;
    private int batchSize;
    private World world = World.local();
    private int threadsPerRank;
    private OptimizerSpec optimizer = OptimizerSpec.sgd().momentum(.9);
    private HyperparameterSchedule schedule = HyperparameterSchedule.of(LearningRate.constant(.01));
    private @Nullable IndexSampler sampler;
    private Join join = Join.NONE;

    /** Null for that mixed one which suits the devices. */
    private @Nullable Precision precision = Precision.float32();

    private double clipNorm = Double.POSITIVE_INFINITY;
    private double averageDecay;
    private int validateEvery = 1;
    private int patience;
    private boolean channelsLast = true;
    private long seed;
    private Reduction reduction = Reduction.defaults();
    private boolean syncBatchNorm;
    private Loading loading = Loading.defaults();
    private Deadlines deadlines = Deadlines.defaults();
    private @Nullable Heartbeats heartbeats;

    DistributedTrainerBuilder() {}

    /**
     * Sets what to train as a whole.
     *
     * @param value block, loss, data and validation
     * @return this builder
     */
    public DistributedTrainerBuilder setTask(TrainingTask value) {
        task = Objects.requireNonNull(value, "task");
        return this;
    }

    /**
     * Sets how each rank makes its block.
     *
     * @param value makes a new block in each call, and is called once per rank, and again for
     *     averaged weights and for {@link DistributedTrainer#newModel}; the training owns its
     *     arrays
     * @return this builder
     */
    public DistributedTrainerBuilder setBlock(RankFactory<Block> value) {
        plain.block(value);
        return this;
    }

    /**
     * Sets the block of a world of one rank. It is trained itself, from the weights it has, and
     * stays usable after the trainer is closed. Its arrays stay with their manager; those of a
     * block that is initialised here live until {@link Block#clear()}.
     *
     * @param value the block; excludes {@link #optWeightAverage} and {@link
     *     DistributedTrainer#newModel}, which need a second block, hence a factory
     * @return this builder
     */
    public DistributedTrainerBuilder setBlock(Block value) {
        plain.instance(value);
        return this;
    }

    /**
     * Sets the data of a plain block.
     *
     * @param value the samples, read from several threads; its own sampling isn't used
     * @return this builder
     */
    public DistributedTrainerBuilder setDataset(RandomAccessDataset value) {
        plain.training(value);
        return this;
    }

    /**
     * Sets the loss of a plain block.
     *
     * @param value a loss of DJL that returns the mean over the batch; only {@code evaluate} is
     *     called
     * @return this builder
     */
    public DistributedTrainerBuilder setLoss(Loss value) {
        Objects.requireNonNull(value, "loss");
        return setLoss(rank -> TrainingLoss.of(value));
    }

    /**
     * Sets how each rank makes its loss.
     *
     * @param value makes a new loss for each rank
     * @return this builder
     */
    public DistributedTrainerBuilder setLoss(RankFactory<TrainingLoss> value) {
        plain.loss(value);
        return this;
    }

    /**
     * Sets the number of epochs.
     *
     * @param value 1 or more
     * @return this builder
     */
    public DistributedTrainerBuilder setEpochs(int value) {
        epochs = value;
        return this;
    }

    /**
     * Sets the batch size.
     *
     * @param value samples of one batch over all ranks, a multiple of the number of ranks; the last
     *     batch of an epoch may be smaller
     * @return this builder
     */
    public DistributedTrainerBuilder setBatchSize(int value) {
        batchSize = value;
        return this;
    }

    /**
     * Sets where ranks live.
     *
     * @param value the world
     * @return this builder
     */
    public DistributedTrainerBuilder optWorld(World value) {
        world = Objects.requireNonNull(value, "world");
        return this;
    }

    /**
     * Sets the intra-op threads of each rank. Runs compare bit for bit only at equal numbers.
     *
     * @param value 1 or more, or 0 to share the cores of this host
     * @return this builder
     */
    public DistributedTrainerBuilder optThreadsPerRank(int value) {
        threadsPerRank = value;
        return this;
    }

    /**
     * Sets the optimizer.
     *
     * @param value the optimizer
     * @return this builder
     */
    public DistributedTrainerBuilder optOptimizer(OptimizerSpec value) {
        optimizer = Objects.requireNonNull(value, "optimizer");
        return this;
    }

    /**
     * Sets one learning rate for all parameters.
     *
     * @param value the learning rate by step
     * @return this builder
     */
    public DistributedTrainerBuilder optLearningRate(LearningRate value) {
        return optSchedule(HyperparameterSchedule.of(value));
    }

    /**
     * Sets learning rates by parameter group, momentum and how many batches are accumulated for a
     * step. It and {@link #optLearningRate} replace each other.
     *
     * @param value the schedule
     * @return this builder
     */
    public DistributedTrainerBuilder optSchedule(HyperparameterSchedule value) {
        schedule = Objects.requireNonNull(value, "schedule");
        return this;
    }

    /**
     * Sets which samples a rank sees.
     *
     * @param value the sampler
     * @return this builder
     */
    public DistributedTrainerBuilder optSampler(IndexSampler value) {
        sampler = Objects.requireNonNull(value, "sampler");
        return this;
    }

    /**
     * Lets a sampler give the ranks unlike numbers of samples, even none.
     *
     * @param value how gradients are averaged when a rank has run out; default {@link Join#NONE},
     *     which makes unlike numbers an error
     * @return this builder
     */
    public DistributedTrainerBuilder optJoin(Join value) {
        join = Objects.requireNonNull(value, "join");
        return this;
    }

    /**
     * Switches mixed precision on or off: bfloat16 on the CPU, float16 with loss scaling on GPUs,
     * as PyTorch does. It and {@link #optPrecision}, which chooses one, replace each other.
     *
     * @param value true for mixed precision
     * @return this builder
     */
    public DistributedTrainerBuilder optAmp(boolean value) {
        precision = value ? null : Precision.float32();
        return this;
    }

    /**
     * Sets the number format of the forward pass, and whether the loss is scaled.
     *
     * @param value the precision, such as {@link Precision#float16()}
     * @return this builder
     */
    public DistributedTrainerBuilder optPrecision(Precision value) {
        precision = Objects.requireNonNull(value, "precision");
        return this;
    }

    /**
     * Limits the global norm of the gradients.
     *
     * @param value the largest norm, above 0; infinite for no limit
     * @return this builder
     */
    public DistributedTrainerBuilder optClipNorm(double value) {
        clipNorm = value;
        return this;
    }

    /**
     * Keeps a moving average of the weights, which is then validated and exported instead of the
     * trained ones. After n steps the decay is decay · (1 − exp(−n / 2000)), as in YOLOv5.
     *
     * @param decay the final decay, such as .9999, or 0 for none
     * @return this builder
     */
    public DistributedTrainerBuilder optWeightAverage(double decay) {
        averageDecay = decay;
        return this;
    }

    /**
     * Sets how often to validate; the last epoch is always followed by a validation.
     *
     * @param value epochs from one validation to the next, 1 or more
     * @return this builder
     */
    public DistributedTrainerBuilder optValidateEvery(int value) {
        validateEvery = value;
        return this;
    }

    /**
     * Stops when the fitness doesn't improve any more. That is judged after validations only, so
     * with {@link #optValidateEvery} it may take longer; without a validation it is refused when
     * the training starts.
     *
     * @param value epochs since the best one, or 0 for never
     * @return this builder
     */
    public DistributedTrainerBuilder optPatience(int value) {
        patience = value;
        return this;
    }

    /**
     * Sets the memory layout of four-dimensional parameters and inputs.
     *
     * @param value true for channels last, which is faster
     * @return this builder
     */
    public DistributedTrainerBuilder optChannelsLast(boolean value) {
        channelsLast = value;
        return this;
    }

    /**
     * Sets the seed of weights, order and augmentation. A sampler given to {@link #optSampler}
     * keeps its own.
     *
     * @param value the seed; default 0
     * @return this builder
     */
    public DistributedTrainerBuilder optSeed(long value) {
        seed = value;
        return this;
    }

    /**
     * Sets how gradients are exchanged.
     *
     * @param value the options
     * @return this builder
     */
    public DistributedTrainerBuilder optReduction(Reduction value) {
        reduction = Objects.requireNonNull(value, "reduction");
        return this;
    }

    /**
     * Lets batch norm take its statistics over the batches of all ranks: for ranks with few samples
     * each. It waits for all ranks in every such layer, forward and backward, and changes the block
     * for good; so it can't be had with {@link #optJoin}. With one rank nothing changes.
     *
     * @param value true for statistics over all ranks; default false
     * @return this builder
     */
    public DistributedTrainerBuilder optSyncBatchNorm(boolean value) {
        syncBatchNorm = value;
        return this;
    }

    /**
     * Sets how images are loaded. {@link #setDataset} doesn't use it: each rank reads its samples
     * on its own thread.
     *
     * @param value the options
     * @return this builder
     */
    public DistributedTrainerBuilder optLoading(Loading value) {
        loading = Objects.requireNonNull(value, "loading");
        return this;
    }

    /**
     * Sets how long waits may take.
     *
     * @param value the deadlines
     * @return this builder
     */
    public DistributedTrainerBuilder optDeadlines(Deadlines value) {
        deadlines = Objects.requireNonNull(value, "deadlines");
        return this;
    }

    /**
     * Sets how ranks that are gone or stuck are noticed.
     *
     * @param value the heartbeats, the same on all ranks
     * @return this builder
     */
    public DistributedTrainerBuilder optHeartbeats(Heartbeats value) {
        heartbeats = Objects.requireNonNull(value, "heartbeats");
        return this;
    }

    /**
     * Sets the data that a plain block is validated on.
     *
     * @param value the samples; needs at least one {@link #addMetric}
     * @return this builder
     */
    public DistributedTrainerBuilder optValidationDataset(RandomAccessDataset value) {
        plain.validation(value);
        return this;
    }

    /**
     * Adds a metric of a plain block; the first one added is the fitness.
     *
     * @param value the metric
     * @return this builder
     */
    public DistributedTrainerBuilder addMetric(Metric<?> value) {
        plain.add(value);
        return this;
    }

    /**
     * Adds an observer.
     *
     * @param value the observer, called after those added before
     * @return this builder
     */
    public DistributedTrainerBuilder addObserver(TrainingObserver value) {
        observers.add(Objects.requireNonNull(value, "observer"));
        return this;
    }

    /**
     * Checks everything and makes the trainer.
     *
     * @return the trainer
     * @throws ConfigurationException if something is missing, out of range or contradictory
     */
    public DistributedTrainer build() {
        TrainingTask trained = plain.orTask(task, world.localSize());
        BuilderChecks.atLeast("epochs", epochs, 1);
        BuilderChecks.atLeast("threadsPerRank", threadsPerRank, 0);
        BuilderChecks.atLeast("validateEvery", validateEvery, 1);
        BuilderChecks.atLeast("patience", patience, 0);
        BuilderChecks.clipNorm(clipNorm);
        BuilderChecks.averageDecay(averageDecay, trained.keepsBlocks());
        BuilderChecks.batchSize(batchSize, world.size());
        BuilderChecks.samples(trained.trainingData().size(), join == Join.NONE ? world.size() : 1);
        BuilderChecks.join(join, syncBatchNorm);
        optimizer.validate();
        Precision used = precision;
        if (used == null) {
            used = world.isOnGpus() ? Precision.float16() : Precision.bfloat16();
        }
        used.requireSupported(Device.cpu());
        TrainingSettings settings =
                new TrainingSettings(
                        trained,
                        epochs,
                        batchSize,
                        optimizer,
                        schedule,
                        sampler == null ? IndexSampler.distributed().seed(seed) : sampler,
                        join,
                        used,
                        clipNorm,
                        averageDecay,
                        validateEvery,
                        patience,
                        channelsLast,
                        seed,
                        reduction,
                        syncBatchNorm,
                        loading,
                        deadlines,
                        heartbeats == null
                                ? Heartbeats.fromEnvironment(System.getenv())
                                : heartbeats.validate(),
                        List.copyOf(observers));
        return new DistributedTrainer(settings, world, threadsPerRank);
    }
}
