package org.yoloddp.train;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.yoloddp.torch.TorchRuntime;

/** A training that was started. Thread-safe. */
public final class TrainingRun {

    /** Torch's random numbers and thread counts are global to the JVM. */
    private static final AtomicBoolean ACTIVE = new AtomicBoolean();

    private static final long POLL_MILLIS = 50;

    private final TrainingSettings settings;
    private final List<RankPlace> places;
    private final RankThreads<RankResult> ranks;
    private final CompletableFuture<RankResult> outcome = new CompletableFuture<>();
    private volatile boolean cancelled;

    private TrainingRun(TrainingSettings settings, List<RankPlace> places) {
        this.settings = settings;
        this.places = List.copyOf(places);
        this.ranks = new RankThreads<>(this.places, this::train);
    }

    /**
     * Starts a training on the ranks of this JVM.
     *
     * @param settings what to train, and how
     * @param places connects the ranks of this JVM; their communicators are closed at the end
     * @return the running training
     * @throws TrainerBusyException if one runs already
     */
    public static TrainingRun start(TrainingSettings settings, Supplier<List<RankPlace>> places) {
        TorchRuntime.start();
        if (!ACTIVE.compareAndSet(false, true)) {
            throw new TrainerBusyException();
        }
        TrainingRun run;
        try {
            run = new TrainingRun(settings, places.get());
        } catch (Throwable t) {
            ACTIVE.set(false);
            throw t;
        }
        Thread supervisor = new Thread(run::supervise, "yolo-ddp-supervisor");
        supervisor.setDaemon(true);
        supervisor.start();
        return run;
    }

    private RankResult train(RankPlace place) {
        return RankTraining.run(settings, place, () -> cancelled);
    }

    private void supervise() {
        int threadsBefore = TorchRuntime.threads();
        Throwable failure;
        try {
            ranks.start();
            awaitRanks();
            failure = ranks.failure();
        } catch (Throwable t) {
            failure = t;
        }
        places.forEach(place -> place.communicator().close());
        TorchRuntime.setThreads(threadsBefore);
        ACTIVE.set(false);
        if (failure == null) {
            finish(ranks.results());
        } else {
            ranks.results().forEach(RankResult::close);
            outcome.completeExceptionally(failure);
        }
    }

    /** Waits for the ranks; once they are to end, no longer than the deadlines allow. */
    private void awaitRanks() throws InterruptedException {
        Deadlines deadlines = settings.deadlines();
        long failedAt = 0;
        while (!ranks.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
            if (ranks.rootCause() != null) {
                failedAt = failedAt == 0 ? System.nanoTime() : failedAt;
                if (System.nanoTime() - failedAt > deadlines.shutdown().toNanos()) {
                    return;
                }
            }
        }
    }

    private void finish(List<RankResult> results) {
        RankResult first = results.get(0);
        for (RankResult result : results) {
            if (result.rank() < first.rank()) {
                first = result;
            }
        }
        for (RankResult result : results) {
            if (result != first) {
                result.close();
            }
        }
        outcome.complete(first);
    }

    /** Asks all ranks to end after the same step; returns at once. */
    public void cancel() {
        cancelled = true;
    }

    /**
     * Tells whether the training has ended, well or not.
     *
     * @return true once it has ended
     */
    public boolean isDone() {
        return outcome.isDone();
    }

    /**
     * Waits for the end.
     *
     * @param deadline how long to wait
     * @return the report
     * @throws StillRunningException if the training hasn't ended by then
     * @throws InterruptedException if the waiting thread is interrupted; the training goes on
     */
    public TrainingReport result(Duration deadline) throws InterruptedException {
        try {
            return outcome.get(deadline.toNanos(), TimeUnit.NANOSECONDS).report();
        } catch (TimeoutException e) {
            throw new StillRunningException(deadline);
        } catch (ExecutionException e) {
            throw Failures.rethrow(e.getCause());
        }
    }

    /**
     * Waits for the end, however long it takes. An interrupt cancels the training; it then ends
     * with a report, and the interrupt flag is set again.
     *
     * @return the report
     */
    public TrainingReport join() {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return result(Duration.ofDays(1));
                } catch (InterruptedException e) {
                    interrupted = true;
                    cancel();
                } catch (StillRunningException e) {
                    // trainings may take longer than a day
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Waits for the end, whatever it is, after which all ranks are gone. */
    public void awaitEnd() {
        try {
            join();
        } catch (RuntimeException | Error e) {
            // whoever called result or join learns of it
        }
    }

    /**
     * Returns the weights that the training ended with.
     *
     * @return the weights of this JVM's first rank; empty while running and after a failure. The
     *     caller closes them.
     */
    public Optional<TrainedWeights> weights() {
        if (!outcome.isDone() || outcome.isCompletedExceptionally()) {
            return Optional.empty();
        }
        return Optional.of(outcome.getNow(null).weights());
    }
}
