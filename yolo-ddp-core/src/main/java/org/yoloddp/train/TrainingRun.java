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
    private final RankThreads ranks;
    private final CompletableFuture<RankResult> outcome = new CompletableFuture<>();
    private volatile boolean cancelled;

    private TrainingRun(TrainingSettings settings, List<RankPlace> places) {
        this.settings = settings;
        this.ranks = new RankThreads(List.copyOf(places), this::train);
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
            Thread supervisor = new Thread(run::supervise, "yolo-ddp-supervisor");
            supervisor.setDaemon(true);
            supervisor.start();
        } catch (Throwable t) {
            ACTIVE.set(false);
            throw t;
        }
        return run;
    }

    private RankResult train(RankPlace place, RankWatch watch) {
        return RankTraining.run(settings, place, watch, () -> cancelled);
    }

    private void supervise() {
        Throwable failure = null;
        try {
            int threadsBefore = TorchRuntime.threads();
            try {
                ranks.start();
                awaitRanks();
            } finally {
                failure = ranks.close();
                TorchRuntime.setThreads(threadsBefore);
            }
        } catch (Throwable t) {
            failure = Failures.add(failure, t);
        }
        // Whoever sees the outcome may start the next training.
        ACTIVE.set(false);
        if (failure == null) {
            finish(ranks.results());
        } else {
            for (RankResult result : ranks.results()) {
                Failures.closeAfter(failure, result);
            }
            outcome.completeExceptionally(failure);
        }
    }

    /** Waits for the ranks; once they are to end, no longer than the deadlines allow. */
    private void awaitRanks() throws InterruptedException {
        Deadlines deadlines = settings.deadlines();
        long failedAt = 0;
        long cancelledAt = 0;
        while (!ranks.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
            long now = System.nanoTime();
            if (ranks.areToEnd()) {
                failedAt = failedAt == 0 ? now : failedAt;
                if (now - failedAt > deadlines.shutdown().toNanos()) {
                    return;
                }
            } else if (cancelled) {
                cancelledAt = cancelledAt == 0 ? now : cancelledAt;
                long stuck = Math.min(now - cancelledAt, now - ranks.lastProgress());
                // What other ranks wait for a collective has failed by then; a single rank hangs.
                if (stuck > deadlines.collective().plus(deadlines.shutdown()).toNanos()) {
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
        try {
            for (RankResult result : results) {
                if (result != first) {
                    result.close();
                }
            }
        } finally {
            outcome.complete(first);
        }
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
            return outcome.get(TimeUnit.NANOSECONDS.convert(deadline), TimeUnit.NANOSECONDS)
                    .report();
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

    /**
     * Waits for the end, whatever it is, after which all ranks are gone but those that hang.
     *
     * @throws IllegalStateException if a rank of this training waits, such as in an observer
     */
    public void awaitEnd() {
        if (ranks.contains(Thread.currentThread())) {
            throw new IllegalStateException(
                    "a thread of a training can't wait for that training's end, such as by closing"
                            + " the trainer in an observer: call cancel() of the TrainingRun there,"
                            + " and close the trainer after train()");
        }
        try {
            join();
        } catch (Throwable e) {
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
