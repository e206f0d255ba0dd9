package org.yoloddp.train;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.ddp.Replica;
import org.yoloddp.ddp.SyncBatchNorm;
import org.yoloddp.torch.Devices;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.TorchRuntime;

/** The training of one rank, on its thread: epochs, validations and who is told of them. */
final class RankTraining implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RankTraining.class);

    private static final String CREATING = "creating the model";

    private final TrainingSettings settings;
    private final RankContext rank;
    private final Observers observers;
    private final StepPosition position;
    private final RankModel model;
    private final Replica replica;
    private final AveragedModel averaged;
    private final EpochLoop loop;
    private final Optional<Validation> validation;
    private final EarlyStopping stopping;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private final List<EpochReport> epochs = new ArrayList<>();

    /** Trains one rank; rank 0's observers are told of a failure before it is thrown. */
    static RankResult run(
            TrainingSettings settings,
            RankPlace place,
            RankWatch watch,
            BooleanSupplier cancelled) {
        TorchRuntime.start();
        TorchRuntime.setThreads(place.threads());
        Devices.select(Devices.memory(place.device()));
        NDManager manager = NDManager.newBaseManager(place.device());
        RankContext rank = place.context(manager, settings);
        Observers observers = Observers.of(settings, rank);
        StepPosition position = new StepPosition(place, settings.heartbeats(), watch);
        try (GradMode gradients = GradMode.enabled();
                RankTraining training =
                        new RankTraining(settings, rank, observers, cancelled, position)) {
            return training.trainAndTell();
        } catch (Throwable t) {
            Throwable failure = Failures.unwrap(position.explain(t, rank));
            try {
                // The others end at once, however long the observers take.
                observers.tellFailure(watch.failed(failure));
            } finally {
                Failures.closeAfter(failure, manager);
            }
            throw Failures.rethrow(failure);
        }
    }

    private RankTraining(
            TrainingSettings settings,
            RankContext rank,
            Observers observers,
            BooleanSupplier cancelled,
            StepPosition position) {
        this.settings = settings;
        this.rank = rank;
        this.observers = observers;
        this.position = position;
        try {
            this.model = synchroniseNorms(createModel());
            model.requireGradients();
            this.replica =
                    opened(
                            Replica.create(
                                    rank.communicator(),
                                    model.state(),
                                    settings.reduction(),
                                    rank.manager()));
            this.averaged = opened(AveragedModel.create(settings, rank, model));
            this.loop =
                    opened(
                            new EpochLoop(
                                    settings, rank, model, replica, averaged, cancelled, position));
            this.validation = settings.task().createValidation(rank, averaged.model().block());
            this.stopping = EarlyStopping.create(settings.patience(), validation.isPresent());
        } catch (Throwable t) {
            Failures.closeAfter(t, this);
            throw t;
        }
    }

    private <T extends AutoCloseable> T opened(T resource) {
        opened.push(resource);
        return resource;
    }

    /** Initialises rank 0 before the others: torch's generator is shared by all threads. */
    private RankModel createModel() {
        position.phase(CREATING);
        if (rank.isFirst()) {
            Engine.getInstance().setRandomSeed((int) settings.seed());
        } else {
            position.awaitFirst(CREATING);
        }
        RankModel made = RankModel.create(settings, rank);
        if (rank.isFirst()) {
            position.awaitFirst(CREATING);
        }
        position.awaitAll(CREATING);
        return made;
    }

    /**
     * Tells the others of a failure before anything is closed: that a replica was closed in the
     * middle of its step would seem to be the cause.
     */
    private RankResult trainAndTell() {
        try {
            return train();
        } catch (Throwable t) {
            position.tell(t, rank);
            throw t;
        }
    }

    private RankModel synchroniseNorms(RankModel made) {
        return settings.syncBatchNorm()
                ? made.with(opened(SyncBatchNorm.convert(made.block(), rank.communicator())))
                : made;
    }

    private RankResult train() {
        TrainingStart start = loop.start();
        LOG.info("rank {} trains: {}", rank.rank(), start);
        position.onFirst("saving the settings", () -> observers.tell(o -> o.onStart(start)));
        TrainingReport.Outcome outcome = TrainingReport.Outcome.COMPLETED;
        for (int epoch = 0; epoch < settings.epochs(); epoch++) {
            EpochLoop.Result result = loop.run(epoch, observers);
            if (result.flags().any()) {
                outcome =
                        result.flags().cancel()
                                ? TrainingReport.Outcome.CANCELLED
                                : TrainingReport.Outcome.STOPPED_EARLY;
                break;
            }
            finishEpoch(epoch, result);
            if (stopping.stopsAfter(epoch)) {
                outcome = TrainingReport.Outcome.STOPPED_EARLY;
                break;
            }
        }
        averaged.synchronise(replica);
        TrainingReport report = loop.report(outcome, epochs);
        position.onFirst("saving the results", () -> observers.tellEnd(report));
        TrainedWeights weights = new TrainedWeights(averaged.model(), rank, settings.task());
        return new RankResult(rank.rank(), report, weights);
    }

    private void finishEpoch(int epoch, EpochLoop.Result result) {
        long start = System.nanoTime();
        Optional<ValidationResult> found =
                isDue(epoch) ? validation.map(v -> validate(v, epoch)) : Optional.empty();
        boolean best = found.map(v -> stopping.isBest(epoch, v.fitness())).orElse(false);
        double seconds =
                result.seconds() + Duration.ofNanos(System.nanoTime() - start).toMillis() / 1e3;
        EpochReport report =
                new EpochReport(
                        epoch,
                        result.losses(),
                        found,
                        best,
                        result.learningRates(),
                        result.images() / result.seconds(),
                        seconds);
        epochs.add(report);
        String saving = "saving epoch " + epoch;
        position.onFirst(
                saving, () -> observers.tell(o -> o.onEpoch(report, file -> write(file, saving))));
    }

    private void write(Path file, String saving) {
        position.phase(saving + ", " + file.getFileName());
        averaged.model().write(file, settings.task().metadata());
        position.phase(saving);
    }

    private boolean isDue(int epoch) {
        return (epoch + 1) % settings.validateEvery() == 0 || epoch + 1 == settings.epochs();
    }

    private ValidationResult validate(Validation found, int epoch) {
        observers.tell(o -> o.onValidation(epoch));
        replica.broadcastBuffers();
        averaged.synchronise(replica);
        String validating = "validating epoch " + epoch;
        position.phase(validating);
        ValidationResult result =
                found.run(
                        new ValidationContext(
                                rank,
                                this::predict,
                                settings.batchSize() / rank.worldSize(),
                                settings.loading(),
                                () -> position.awaitAll(validating)));
        position.phase("finishing epoch " + epoch);
        return result;
    }

    private NDList predict(NDList data) {
        position.progress();
        loop.releaseGraph();
        return averaged.model().predict(data);
    }

    /** Frees what lives outside the rank's manager, the last first. */
    @Override
    public void close() {
        Throwable failure = null;
        while (!opened.isEmpty()) {
            try {
                opened.pop().close();
            } catch (Throwable t) {
                failure = Failures.add(failure, t);
            }
        }
        if (failure != null) {
            throw Failures.rethrow(failure);
        }
    }
}
