package org.yoloddp.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.yoloddp.ddp.Replica;
import org.yoloddp.ddp.ReplicaHashes;
import org.yoloddp.ddp.StepFlags;
import org.yoloddp.schedule.SchedulePlan;
import org.yoloddp.torch.Layouts;

/** Runs the batches of an epoch on one rank. */
final class EpochLoop implements AutoCloseable {

    /** What an epoch brought on this rank. */
    record Result(
            StepFlags flags,
            Map<String, Double> losses,
            double[] learningRates,
            long images,
            double seconds) {}

    private final TrainingSettings settings;
    private final RankContext rank;
    private final RankModel model;
    private final Replica replica;
    private final TrainingStep step;
    private final TrainingLoss loss;
    private final int batchesPerEpoch;
    private final int rankBatchSize;
    private final StepPosition position;
    private final StepWatch watch;
    private final Samples stepMillis = new Samples();
    private long iteration;
    private long images;
    private double seconds;

    EpochLoop(
            TrainingSettings settings,
            RankContext rank,
            RankModel model,
            Replica replica,
            AveragedModel averaged,
            BooleanSupplier cancelled,
            StepPosition position) {
        this.settings = settings;
        this.rank = rank;
        this.model = model;
        this.replica = replica;
        this.position = position;
        this.watch = new StepWatch(rank.rank());
        this.loss = settings.task().createLoss(rank, model.block());
        this.rankBatchSize = settings.batchSize() / rank.worldSize();
        this.batchesPerEpoch = shards(plan(0)).steps();
        SchedulePlan plan = new SchedulePlan(settings.epochs(), batchesPerEpoch);
        this.step =
                new TrainingStep(
                        settings, rank, model, replica, averaged, loss, plan, cancelled, watch);
    }

    private BatchPlan plan(int epoch) {
        int samples = settings.task().trainingData().size();
        int[] indices = settings.sampler().indices(samples, epoch, rank.rank(), rank.worldSize());
        BadSampleIndexException.check(rank.rank(), epoch, indices, samples);
        return new BatchPlan(rank, epoch, indices, rankBatchSize, settings.loading());
    }

    private EpochShards shards(BatchPlan plan) {
        EpochShards shards =
                EpochShards.gather(rank, plan.epoch(), plan.indices().length, rankBatchSize);
        UnevenShardsException.check(plan.epoch(), shards, settings.join());
        return shards;
    }

    TrainingStart start() {
        return new TrainingStart(
                rank.worldSize(),
                settings.epochs(),
                batchesPerEpoch,
                settings.batchSize(),
                settings.task().trainingData().size(),
                model.state().trainable().stream().mapToLong(e -> e.array().size()).sum(),
                loss.terms());
    }

    Result run(int epoch, Observers observers) {
        BatchPlan plan = plan(epoch);
        EpochShards shards = shards(plan);
        UnevenShardsException.checkBatches(epoch, shards.steps(), batchesPerEpoch);
        RunningLosses losses =
                new RunningLosses(
                        loss.terms(),
                        settings.precision().lossScaling().isPresent(),
                        settings.join() != Join.NONE,
                        rank.deadlines().collective());
        StepFlags flags = StepFlags.NONE;
        long imagesBefore = images;
        long start = System.nanoTime();
        long last = start;
        try (BatchStream batches =
                DeviceBatches.around(settings.task().trainingData().open(plan), plan)) {
            for (int i = 0; i < shards.steps() && !flags.any(); i++) {
                position.at(iteration, iteration == 0 ? "starting" : "training");
                watch.step.begin(iteration);
                TrainingStep.Result result = step(batches, shards, i, losses);
                watch.step.end();
                flags = result.flags();
                images += shards.samplesOf(i);
                long now = System.nanoTime();
                double millis = (now - last) / 1e6;
                stepMillis.add(millis);
                StepReport report =
                        new StepReport(
                                iteration++,
                                epoch,
                                i,
                                shards.steps(),
                                images - imagesBefore,
                                losses.means(),
                                step.learningRates(),
                                result.gradientNorm(),
                                result.skipped(),
                                result.lossScale(),
                                millis);
                observers.tell(o -> o.onStep(report));
                last = System.nanoTime();
            }
        }
        double elapsed = (System.nanoTime() - start) / 1e9;
        seconds += elapsed;
        position.at(iteration, "finishing epoch " + epoch);
        return new Result(
                flags,
                losses.meansOfAllRanks(rank.communicator()),
                step.learningRates(),
                images - imagesBefore,
                elapsed);
    }

    /** Tells of a failure before the batches are closed, whose thread may be stuck. */
    private TrainingStep.Result step(
            BatchStream batches, EpochShards shards, int batchOfEpoch, RunningLosses losses) {
        try {
            return takeStep(batches, shards, batchOfEpoch, losses);
        } catch (Throwable t) {
            position.tell(t, rank);
            throw t;
        }
    }

    private TrainingStep.Result takeStep(
            BatchStream batches, EpochShards shards, int batchOfEpoch, RunningLosses losses) {
        boolean last = batchOfEpoch + 1 == shards.steps();
        replica.takeBuffersFrom(shards.firstActive(batchOfEpoch));
        if (!shards.isActive(rank.rank(), batchOfEpoch)) {
            return step.runWithoutBatch(iteration, last);
        }
        double weight = settings.join().weight(rank.worldSize(), shards.active(batchOfEpoch));
        try (NDManager scope = rank.manager().newSubManager()) {
            watch.dataWait.begin(iteration);
            TrainingBatch batch = batches.next(scope);
            watch.dataWait.end();
            UnsupportedDataTypeException.requireKnown("the batch's data", batch.data());
            UnsupportedDataTypeException.requireKnown("the batch's label", batch.labels());
            if (settings.channelsLast()) {
                for (NDArray input : batch.data()) {
                    if (input.getShape().dimension() == 4) {
                        Layouts.toChannelsLast(input);
                    }
                }
            }
            return step.run(batch, iteration, last, weight, losses);
        }
    }

    /** Frees what is kept for a backward; none is pending between epochs. */
    void releaseGraph() {
        step.releaseGraph();
    }

    TrainingReport report(TrainingReport.Outcome outcome, List<EpochReport> epochs) {
        ReplicaHashes hashes = replica.hashes(iteration);
        return new TrainingReport(
                outcome,
                rank.worldSize(),
                iteration,
                epochs,
                seconds == 0 ? 0 : images / seconds,
                stepMillis.quantile(.5),
                stepMillis.quantile(.95),
                step.phases(),
                step.scaling().skipped(),
                step.scaling().scale(),
                hashes.parametersSha256(),
                hashes.buffersSha256());
    }

    @Override
    public void close() {
        step.close();
    }
}
