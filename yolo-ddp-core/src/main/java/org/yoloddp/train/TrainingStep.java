package org.yoloddp.train;

import ai.djl.ndarray.NDList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.amp.PrecisionScope;
import org.yoloddp.ddp.Replica;
import org.yoloddp.ddp.StepFlags;
import org.yoloddp.ddp.StepRandomness;
import org.yoloddp.optim.FusedOptimizer;
import org.yoloddp.optim.GradientClip;
import org.yoloddp.optim.ParameterGroup;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.Hyperparameters;
import org.yoloddp.schedule.SchedulePlan;
import org.yoloddp.torch.Autograd;
import org.yoloddp.torch.GraphMemory;
import org.yoloddp.torch.LateNumbers;

/**
 * One batch: forward, loss, backward, and after enough batches reduction, clipping, optimizer and
 * average. Gradients of several batches add up, as in PyTorch; those that are left at the end of an
 * epoch are applied, unless the schedule drops them.
 */
final class TrainingStep implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TrainingStep.class);

    /** What a batch brought. */
    record Result(StepFlags flags, double gradientNorm, boolean skipped, double lossScale) {}

    private final TrainingSettings settings;
    private final RankContext rank;
    private final RankModel model;
    private final Replica replica;
    private final AveragedModel averaged;
    private final TrainingLoss loss;
    private final HyperparameterSchedule.Bound schedule;
    private final FusedOptimizer optimizer;
    private final GradientClip clip;
    private final LossScaling scaling;
    private final GraphMemory graphMemory;
    private final StepRandomness randomness;
    private final BooleanSupplier cancelled;
    private final StepWatch watch;
    private final Samples exposedMillis = new Samples();
    private @Nullable LateNumbers lateNorm;
    private boolean dropsRest;
    private Hyperparameters now;

    TrainingStep(
            TrainingSettings settings,
            RankContext rank,
            RankModel model,
            Replica replica,
            AveragedModel averaged,
            TrainingLoss loss,
            SchedulePlan plan,
            BooleanSupplier cancelled,
            StepWatch watch) {
        this.settings = settings;
        this.rank = rank;
        this.model = model;
        this.replica = replica;
        this.averaged = averaged;
        this.loss = loss;
        this.cancelled = cancelled;
        this.watch = watch;
        this.graphMemory = GraphMemory.of(rank.manager());
        this.randomness = StepRandomness.of(model.block(), settings.seed(), rank.rank());
        warnOfSharedGenerator();
        List<ParameterGroup> groups =
                settings.task().parameterGroups(model.block(), settings.optimizer().weightDecay());
        this.schedule = settings.schedule().bind(plan, groups.size());
        this.now = schedule.at(0);
        this.optimizer =
                FusedOptimizer.create(
                        settings.optimizer(), groups, model.state(), replica::updates);
        this.clip = GradientClip.create(model.state(), settings.clipNorm());
        this.scaling = LossScaling.create(settings, rank, model.state());
        replica.lossScale(scaling.factor());
        // With a loss scale such a step is skipped instead.
        replica.requireFiniteGradients(settings.precision().lossScaling().isEmpty());
    }

    private void warnOfSharedGenerator() {
        List<String> shared = randomness.sharedGeneratorBlocks();
        if (rank.isFirst() && rank.localWorldSize() > 1 && !shared.isEmpty()) {
            LOG.warn(
                    "{} draw from libtorch's generator, which all threads of this JVM share: runs"
                            + " with one seed will differ. Use RankDropout instead",
                    shared);
        }
    }

    /**
     * Learns from a batch.
     *
     * @param weight by what its gradients are multiplied
     */
    Result run(
            TrainingBatch batch,
            long iteration,
            boolean lastOfEpoch,
            double weight,
            RunningLosses losses) {
        boolean synchronised = begin(iteration, lastOfEpoch);
        learn(batch, iteration, synchronised, weight, losses);
        return end(iteration, synchronised);
    }

    /** Takes part in the others' step: this rank has no batch for it. */
    Result runWithoutBatch(long iteration, boolean lastOfEpoch) {
        return end(iteration, begin(iteration, lastOfEpoch));
    }

    /** Tells whether gradients are reduced in this step. */
    private boolean begin(long iteration, boolean lastOfEpoch) {
        now = schedule.at(iteration);
        boolean complete = schedule.updatesAfter(iteration);
        boolean synchronised = complete || (lastOfEpoch && schedule.appliesRest());
        dropsRest = lastOfEpoch && !synchronised;
        if (synchronised && settings.reduction().broadcastBuffers()) {
            watch.exposedBuffers.begin(iteration);
            replica.broadcastBuffers();
            watch.exposedBuffers.end();
        }
        return synchronised;
    }

    private void learn(
            TrainingBatch batch,
            long iteration,
            boolean synchronised,
            double weight,
            RunningLosses losses) {
        watch.forward.begin(iteration);
        randomness.begin(iteration);
        NDList predictions = forward(batch.data());
        LossValue value = loss.evaluate(batch.labels(), predictions);
        UnsupportedDataTypeException.requireKnown("the loss's total", value.total());
        UnsupportedDataTypeException.requireKnown("the array of the loss's terms", value.terms());
        watch.forward.end();
        losses.add(
                LateNumbers.of(value.total(), value.terms()), batch.size(), rank.rank(), iteration);
        watch.backward.begin(iteration);
        if (synchronised) {
            replica.atStep(iteration);
            replica.armReduction();
        }
        Autograd.backward(value.total(), scaling.factor() * weight);
        model.endBackward();
        graphMemory.release();
        watch.backward.end();
    }

    private Result end(long iteration, boolean synchronised) {
        double lossScale = scaling.scale();
        if (!synchronised) {
            if (dropsRest) {
                replica.zeroGradients();
            }
            return new Result(StepFlags.NONE, Double.NaN, false, lossScale);
        }
        watch.exposedGradients.begin(iteration);
        StepFlags flags =
                replica.reduceGradients(new StepFlags(cancelled.getAsBoolean(), false, false));
        watch.exposedGradients.end();
        watch.optimizer.begin(iteration);
        double norm = Double.NaN;
        boolean skipped = scaling.unscale();
        if (skipped) {
            replica.stepSkipped();
        } else {
            norm = Double.isInfinite(settings.clipNorm()) ? Double.NaN : clip();
            optimizer.step(now.learningRates(), now.momentum(), replica.unusedEverywhere());
            if (settings.reduction().shardOptimizerState()) {
                watch.exposedParameters.begin(iteration);
                replica.gatherParameters();
                watch.exposedParameters.end();
            }
        }
        replica.lossScale(scaling.factor());
        replica.zeroGradients();
        // Also after a skipped step, as in YOLOv5: running statistics have moved on.
        averaged.update();
        watch.optimizer.end();
        replica.verify(iteration + 1);
        exposedMillis.add(replica.takeExposedMillis());
        return new Result(flags, norm, skipped, lossScale);
    }

    /** Returns the norm before; from a GPU that of the step before, since this one's is late. */
    private double clip() {
        if (!rank.device().isGpu()) {
            return clip.apply();
        }
        LateNumbers before = lateNorm;
        lateNorm = clip.applyLater();
        return before == null ? Double.NaN : before.read(rank.deadlines().collective())[0];
    }

    /** Computes in the wanted precision; the loss is always computed in float32. */
    private NDList forward(NDList data) {
        NDList predictions;
        try (PrecisionScope scope = settings.precision().scope(rank.device())) {
            predictions = model.train(data);
        }
        return UnsupportedDataTypeException.requireKnown(
                "the block's output", settings.precision().toFloat32(predictions));
    }

    void releaseGraph() {
        graphMemory.release();
    }

    LossScaling scaling() {
        return scaling;
    }

    double[] learningRates() {
        return now.learningRates();
    }

    PhaseMillis phases() {
        return watch.medians(exposedMillis.quantile(.5));
    }

    @Override
    public void close() {
        if (lateNorm != null) {
            lateNorm.close();
        }
        optimizer.close();
        clip.close();
        scaling.close();
    }
}
